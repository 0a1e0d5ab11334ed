// What is remembered of the inner flows of a peer, to tell the few that move bulk from the small ones.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace asterism {

/** The header fields that matter here. */
struct FlowPacket {
  /** Of addresses, protocol and ports; packets of one flow have one. */
  uint32_t hash = 0;
  bool tcp = false;
  uint32_t sequence = 0;
  /** TCP payload, or everything behind the IP header. */
  size_t payload_len = 0;
  uint8_t dscp = 0;
  /** Of TCP. */
  uint32_t acknowledged = 0;
  /** TCP that acknowledges and says nothing else: no data, no SACK. */
  bool plain_acknowledgement = false;

  /** `packet` has passed ip_packet_len. */
  static FlowPacket read(const uint8_t* packet, size_t len) { return read(packet, len, false); }
  /** As `read`, but `hash` is that of the packets that this one answers. */
  static FlowPacket read_reversed(const uint8_t* packet, size_t len) { return read(packet, len, true); }

 private:
  static FlowPacket read(const uint8_t* packet, size_t len, bool reversed);
  void read_tcp(const uint8_t* segment, size_t len);
};

/** How fast flows are, of late. Owned by one thread. */
class FlowRates {
 public:
  /** Notes the packet. True if its flow is small: has just begun, or moves little. */
  bool small(const FlowPacket& packet, uint64_t now);

 private:
  /** A flow is bulk when it has moved this much more than SMALL_BYTES_PER_SECOND explains. */
  static constexpr double SMALL_BYTES = 24'000;
  static constexpr double SMALL_BYTES_PER_SECOND = 32'000;
  /** Bulk stays bulk while it moves: what waits of it must not be overtaken. */
  static constexpr double MAX_BYTES = 96'000;

  struct Flow {
    uint32_t hash = 0;
    bool bulk = false;
    double bytes = 0;
    uint64_t at = 0;
  };
  std::array<Flow, 256> flows_{};  // bounded: by hash; flows that share a place count as one
};

/** Where each TCP flow is, so that what is in order is not kept waiting for others. Owned by one thread. */
class FlowPositions {
 public:
  enum class Place : uint8_t { unknown, in_order, other };

  /** `in_order`: the very next of its flow. */
  Place place(const FlowPacket& packet) const;
  /** The packet has gone to the host. */
  void delivered(const FlowPacket& packet);

 private:
  struct Flow {
    uint32_t hash = 0;
    uint32_t next_sequence = 0;
  };
  std::array<Flow, 256> flows_{};  // bounded: by hash, newer flows take the place of older ones
};

}  // namespace asterism
