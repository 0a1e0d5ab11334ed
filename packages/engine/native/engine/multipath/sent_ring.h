// By which path each counter of the current session went, and the sealed packets themselves as long as there is room.
#pragma once

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
  /** Where the sealed message lies in the stream of all of them. */
  uint64_t position = 0;
  uint16_t len = 0;
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
  SentPacket& add(uint64_t counter) {
    SentPacket& packet = packets_[counter % COUNTERS];
    packet = {.counter = counter, .state = SentState::in_flight};
    return packet;
  }

  /** Keeps a copy of the packet's sealed message; messages of more than MAX_MESSAGE_BYTES are not kept. */
  void keep(SentPacket& packet, const uint8_t* message, size_t len) {
    if (len > MAX_MESSAGE_BYTES) return;
    const size_t left = SEALED_BYTES - end_ % SEALED_BYTES;
    if (len > left) end_ += left;
    std::memcpy(sealed_.data() + end_ % SEALED_BYTES, message, len);
    packet.position = end_;
    packet.len = static_cast<uint16_t>(len);
    end_ += len;
  }

  /** The sealed message; null if it was not kept, or has been overwritten. */
  const uint8_t* sealed(const SentPacket& packet) const {
    if (packet.len == 0 || packet.position + SEALED_BYTES < end_ + MAX_MESSAGE_BYTES) return nullptr;
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
};

}  // namespace asterism
