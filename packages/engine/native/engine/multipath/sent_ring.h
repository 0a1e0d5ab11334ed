// By which path each counter of the current session went, and the sealed packets themselves as long as there is room.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "base/buffer.h"
#include "multipath/path_estimator.h"

namespace asterism {

enum class SentState : uint8_t { none, in_flight, arrived, lost };

struct SentPacket {
  /** Its path is not in the table any more. */
  static constexpr uint8_t NO_SLOT = 0xFF;

  uint64_t counter = 0;
  PathEstimator::Sent sent;
  /** The how-many-eth packet of its path. */
  uint64_t path_sequence = 0;
  /** Where the sealed message lies in the stream of all of them, if it was kept. */
  uint64_t position = 0;
  /** Of the sealed message. */
  uint16_t len = 0;
  bool kept = false;
  uint8_t slot = 0;
  uint8_t resent = 0;
  SentState state = SentState::none;
};

class SentRing {
 public:
  /** As many counters as the peer's replay window takes. */
  static constexpr uint64_t COUNTERS = 8192;
  static constexpr size_t SEALED_BYTES = 4 * 1024 * 1024;
  static constexpr size_t MAX_MESSAGE_BYTES = 2048;

  SentRing() : packets_(COUNTERS), sealed_(SEALED_BYTES) {}

  /** Null if the counter is not remembered. */
  SentPacket* find(uint64_t counter) {
    SentPacket& packet = packets_[counter % COUNTERS];
    return packet.state != SentState::none && packet.counter == counter ? &packet : nullptr;
  }

  /** Takes the place of an older counter. */
  SentPacket& add(uint64_t counter, size_t len) {
    SentPacket& packet = packets_[counter % COUNTERS];
    packet = {.counter = counter, .len = static_cast<uint16_t>(len), .state = SentState::in_flight};
    return packet;
  }

  /**
   * Keeps a copy of the packet's sealed message where it would stay for `worth_ns` at least: copying costs as much as a
   * fifth of sealing. Messages of more than MAX_MESSAGE_BYTES are not kept.
   */
  void keep(SentPacket& packet, const uint8_t* message, uint64_t now, uint64_t worth_ns) {
    const size_t left = SEALED_BYTES - end_ % SEALED_BYTES;
    if (packet.len >= left) {
      last_turn_ns_ = now - turned_at_;
      turned_at_ = now;
    }
    if (packet.len > left) end_ += left;
    packet.position = end_;
    packet.kept = packet.len <= MAX_MESSAGE_BYTES && stays_ns(now) >= worth_ns;
    if (packet.kept) std::memcpy(sealed_.data() + end_ % SEALED_BYTES, message, packet.len);
    end_ += packet.len;
  }

  /** How long a message stays before others take its place. */
  uint64_t stays_ns(uint64_t now) const { return std::max(last_turn_ns_, now - turned_at_); }

  /** For `ns` until now next to nothing was added, though packets were sent. */
  void pause(uint64_t ns, uint64_t now) { turned_at_ = std::min(turned_at_ + ns, now); }

  /** The sealed message; null if it was not kept, or has been overwritten. */
  const uint8_t* sealed(const SentPacket& packet) const {
    if (!packet.kept || packet.position + SEALED_BYTES < end_ + MAX_MESSAGE_BYTES) return nullptr;
    return sealed_.data() + packet.position % SEALED_BYTES;
  }

  /** A new session counts from 0 again. */
  void clear() {
    for (SentPacket& packet : packets_) packet.state = SentState::none;
  }

 private:
  std::vector<SentPacket> packets_;  // bounded: COUNTERS
  PageBuffer sealed_;
  uint64_t end_ = 0;
  /** When the last message of a turn came, and how long the turn before took. */
  uint64_t turned_at_ = 0;
  uint64_t last_turn_ns_ = UINT64_MAX;
};

}  // namespace asterism
