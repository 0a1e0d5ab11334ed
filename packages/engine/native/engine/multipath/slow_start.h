// Keeps the slow start of TCP flows going until the paths are full.
//
// A sender leaves slow start when it sees round trips grow, or acknowledgements arrive in long trains (HyStart, RFC 9406;
// Linux looks at eight samples of a round from a window of 16 packets on). Both happen as soon as paths with longer delays
// are taken into use or a loss is hidden, long before they are full, and what follows takes seconds to fill them. So until
// then a flow gets only a few acknowledgements in each round trip: of those that only go on from the last one, the newest
// counts.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "multipath/flows.h"

namespace asterism {

/** Where the TCP flows are that fill a peer's paths: written by the send thread, read by the receive thread. */
class StartingFlows {
 public:
  void set_active(bool active) { active_.store(active, std::memory_order_relaxed); }
  bool active() const { return active_.load(std::memory_order_relaxed); }
  /** The packet has been taken over from the host. */
  void sent(const FlowPacket& packet);
  /** False if the flow is not known. `sequence`: the first one that has not been sent. */
  bool find(uint32_t hash, uint32_t& sequence) const;

 private:
  std::atomic<bool> active_{false};
  /** Hash and sequence number, 32 bits each. */
  std::array<std::atomic<uint64_t>, 16> flows_{};  // bounded: by hash, newer flows take the place of older ones
};

/** Acknowledgements that are kept back. Owned by the receive thread. */
class AckThinner {
 public:
  /** True if the packet must not go to the host (yet): a copy is kept, in place of any older one of its flow. */
  bool keeps(const uint8_t* packet, size_t len, const StartingFlows& flows, uint64_t now);
  /** When `take` has something; UINT64_MAX for never. */
  uint64_t deadline() const;
  /** A packet that has been kept for long enough, with HEADROOM_BYTES before it; null if there is none. */
  uint8_t* take(uint64_t now, size_t& len);
  static constexpr size_t HEADROOM_BYTES = 64;

 private:
  // An IPv6 header and a TCP header with timestamps; behind it, what reads the packet may look a little further.
  static constexpr size_t MAX_PACKET_BYTES = 72;
  static constexpr size_t TAIL_BYTES = 16;

  struct Flow {
    uint32_t hash = 0;
    uint32_t acknowledged = 0;
    uint64_t passed_at = 0;
    /** When little was under way last. */
    uint64_t rested_at = 0;
    /** Of the packet that is kept; 0 for none. */
    size_t kept_len = 0;
    uint32_t kept_acknowledged = 0;
    std::array<uint8_t, HEADROOM_BYTES + MAX_PACKET_BYTES + TAIL_BYTES> kept;
  };
  static bool enough(Flow& flow, uint32_t acknowledged, uint32_t sent, uint64_t now);

  std::array<Flow, 16> flows_{};  // bounded: by hash, newer flows take the place of older ones
};

}  // namespace asterism
