// One transport session: the keys that one handshake gave, and what guards their use.
#pragma once

#include <atomic>
#include <cstdint>

#include "crypto/aead.h"
#include "wire/replay_window.h"

namespace asterism {

struct Peer;

/** WireGuard paper §6.1: 2^64 − 2^13 − 1. */
constexpr uint64_t REJECT_AFTER_MESSAGES = ~uint64_t{0} - (uint64_t{1} << 13);

struct Session {
  Session(const OpenSsl& ssl, Aead aead, const uint8_t send_key[32], const uint8_t receive_key[32])
      : send(ssl, aead, send_key), receive(ssl, aead, receive_key) {}

  /** Reserves `count` counters; false if the session has none left. */
  bool reserve_counters(uint64_t count, uint64_t& first) {
    // Looking first keeps an exhausted counter from being pushed on until it wraps.
    if (send_counter.load(std::memory_order_relaxed) > REJECT_AFTER_MESSAGES - count) return false;
    first = send_counter.fetch_add(count, std::memory_order_relaxed);
    return true;
  }

  Peer* peer = nullptr;
  /** Differs from every other session of the device. */
  uint64_t serial = 0;
  uint32_t local_index = 0;
  uint32_t remote_index = 0;
  uint64_t expires_at_ns = 0;
  bool initiator = false;
  /** True while this is the peer's `next` session: the first packet in it makes it `current`. */
  std::atomic<bool> unconfirmed{false};
  /** Next of the index table's bucket. */
  std::atomic<Session*> bucket_next{nullptr};

  alignas(64) std::atomic<uint64_t> send_counter{0};
  AeadKey send;

  /** Owned by the receive thread. */
  alignas(64) ReplayWindow replay;
  AeadKey receive;
};

}  // namespace asterism
