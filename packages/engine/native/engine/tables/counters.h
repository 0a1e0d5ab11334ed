// Counters that TypeScript reads from shared memory, without a call.
//
// Layout version 2. Everything is 64-bit words; times are CLOCK_BOOTTIME nanoseconds, 0 for never.
//
//   device page   one word per drop reason (drop_reasons.h)
//   peer chunk    PEERS_PER_CHUNK blocks of PEER_WORDS words, for peers [64 n, 64 n + 64)
//   peer block    words 0–15 below, then MAX_PATHS path blocks of PATH_WORDS words
//
// The send words have one writing thread, the receive words another; they lie on different cache lines.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "tables/drop_reasons.h"

namespace asterism {

constexpr uint32_t COUNTERS_LAYOUT_VERSION = 2;
constexpr unsigned PEERS_PER_CHUNK = 64;
constexpr unsigned MAX_PATHS = 16;
constexpr unsigned PATH_WORDS = 12;
constexpr unsigned PEER_HEADER_WORDS = 16;
constexpr unsigned PEER_WORDS = PEER_HEADER_WORDS + MAX_PATHS * PATH_WORDS;

using Counter = std::atomic<uint64_t>;
static_assert(sizeof(Counter) == 8 && Counter::is_always_lock_free);

/** For counters with one writing thread: no locked instruction. */
inline void add(Counter& counter, uint64_t amount) {
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}
inline void set(Counter& counter, uint64_t value) { counter.store(value, std::memory_order_relaxed); }
inline uint64_t get(const Counter& counter) { return counter.load(std::memory_order_relaxed); }

struct PathCounters {
  Counter tx_packets, tx_bytes, rx_packets, rx_bytes, last_received_at;
  // While packets are spread over the paths: bytes per second, nanoseconds, packets; dead is 1 or 0.
  Counter rate, round_trip, queueing, lost_packets, resent_packets, dead;
  Counter reserved;
};
static_assert(sizeof(PathCounters) == PATH_WORDS * 8);

struct alignas(64) PeerCounters {
  Counter tx_packets, tx_bytes, tx_relayed_packets, last_data_sent_at, last_sent_at, first_unanswered_sent_at,
      last_staged_at, tx_reserved;
  Counter rx_packets, rx_bytes, rx_relayed_packets, last_data_received_at, last_received_at,
      first_unacknowledged_received_at, rx_reserved[2];
  PathCounters paths[MAX_PATHS];
};
static_assert(sizeof(PeerCounters) == PEER_WORDS * 8);

struct PeerCounterChunk {
  PeerCounters peers[PEERS_PER_CHUNK];
};

struct alignas(64) DeviceCounters {
  Counter drops[DROP_REASONS];

  /** Any thread. */
  void drop(Drop reason, uint64_t packets = 1) {
    drops[static_cast<unsigned>(reason)].fetch_add(packets, std::memory_order_relaxed);
  }
};

}  // namespace asterism
