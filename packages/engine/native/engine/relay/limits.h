// Limits of the relay: bytes of a user, requests of a source, shares under overload.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tables/path.h"

namespace asterism {

/** A token bucket of bytes. Several threads may take: a race lets a packet too many pass, no more. */
class ByteBucket {
 public:
  /** 0: unlimited. */
  void set_rate(uint64_t bytes_per_second) { rate_.store(bytes_per_second, std::memory_order_relaxed); }
  bool take(size_t bytes, uint64_t now_ns);

 private:
  /** What may pass at once after silence: a tenth of a second's worth, and never less than one aggregate. */
  static constexpr uint64_t BURST_NS = 100'000'000;
  static constexpr uint64_t MIN_BURST_BYTES = 128 * 1024;

  std::atomic<uint64_t> rate_{0};
  std::atomic<uint64_t> used_until_{0};
};

/** One bucket per direction, shared by all allocations of a user. */
struct UserQuota {
  ByteBucket to_peers;
  ByteBucket to_clients;
};

uint64_t hash_address(const UdpAddress& address, uint64_t seed);

/**
 * Requests per source network (IPv4 address, IPv6 /64) in a table of fixed size; sources that collide share. Several
 * threads may take: a race lets a request too many pass.
 */
class SourceLimiter {
 public:
  SourceLimiter(uint64_t rate_per_second, uint64_t burst, uint64_t seed);
  bool take(const UdpAddress& source, uint64_t now_ns);

 private:
  static constexpr size_t BUCKETS = 8192;

  uint64_t interval_ns_;
  uint64_t burst_ns_;
  uint64_t seed_;
  std::vector<std::atomic<uint64_t>> used_until_;  // bounded: BUCKETS
};

/**
 * Shares of the clients while more arrives than the relay can forward: after a window in which the kernel dropped
 * datagrams of a listening socket, nobody may have more than the max-min fair share of what was forwarded in it.
 * Without drops the share grows until it limits nobody. One thread.
 */
class FairShare {
 public:
  static constexpr uint64_t WINDOW_NS = 50'000'000;

  /** Ends the window if it is over. `dropped`: gives datagrams that the kernel has dropped since the start. */
  template <typename Dropped>
  void advance(uint64_t now_ns, Dropped&& dropped) {
    if (now_ns - started_ns_ < WINDOW_NS) return;
    const uint32_t total = dropped();
    end_window(total != dropped_total_);
    dropped_total_ = total;
    started_ns_ = now_ns;
  }
  /** False: the allocation is above its share. */
  bool take(uint32_t allocation, size_t bytes);

 private:
  static constexpr size_t SLOTS = 1024;

  void end_window(bool overloaded);

  struct Slot {
    uint32_t allocation = 0;
    uint32_t window = 0;
    uint64_t offered = 0;
    uint64_t passed = 0;
  };
  uint64_t started_ns_ = 0;
  uint32_t dropped_total_ = 0;
  uint32_t window_ = 1;
  uint64_t share_ = ~uint64_t{0};
  /** The most that passed in a window of late. */
  uint64_t peak_ = 0;
  std::array<Slot, SLOTS> slots_{};
};

}  // namespace asterism
