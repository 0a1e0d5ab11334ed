// Addresses that this device has sent control datagrams to lately: what comes from there is not held back when strangers
// flood the port.
#pragma once

#include <sys/random.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>

#include "base/clock.h"
#include "tables/path.h"

namespace asterism {

class KnownSources {
 public:
  KnownSources() {
    // Without randomness an attacker who computes collisions is let in among the known: no more than that.
    if (getrandom(&key_, sizeof key_, GRND_NONBLOCK) != sizeof key_) key_ = now_ns();
  }

  /** Control thread. */
  void note(const UdpAddress& address, uint64_t now) {
    const uint64_t hash = hash_of(address);
    slots_[hash % SLOTS].store(entry(hash, now), std::memory_order_relaxed);
  }

  /** Receive thread. */
  bool contains(const UdpAddress& address, uint64_t now) const {
    const uint64_t hash = hash_of(address);
    const uint64_t found = slots_[hash % SLOTS].load(std::memory_order_relaxed);
    return (found ^ entry(hash, now)) >> 32 == 0 && seconds(now) - static_cast<uint32_t>(found) <= MEMORY_SECONDS;
  }

 private:
  static constexpr size_t SLOTS = 8192;
  /** Longer than any pause between two checks of a path that is kept. */
  static constexpr uint32_t MEMORY_SECONDS = 60;

  static uint32_t seconds(uint64_t now) { return static_cast<uint32_t>(now / NS_PER_SECOND); }
  /** Half of the hash and the time. */
  static uint64_t entry(uint64_t hash, uint64_t now) { return (hash >> 32 | 1) << 32 | seconds(now); }

  uint64_t hash_of(const UdpAddress& address) const {
    uint64_t words[3] = {address.v4.sin_port, 0, 0};
    if (address.is_v6()) {
      std::memcpy(words + 1, &address.v6.sin6_addr, 16);
    } else {
      words[1] = address.v4.sin_addr.s_addr;
    }
    uint64_t hash = key_;
    for (const uint64_t word : words) {
      hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
      hash ^= hash >> 29;
    }
    return hash;
  }

  uint64_t key_ = 0;
  std::array<std::atomic<uint64_t>, SLOTS> slots_{};
};

}  // namespace asterism
