#include "multipath/flows.h"

#include <algorithm>
#include <bit>

#include "base/bytes.h"
#include "packet/ip.h"

namespace asterism {
namespace {

/** DSCP of voice and of network control (RFC 4594): CS5 and above. */
constexpr uint8_t FIRST_URGENT_DSCP = 40;

/** How its options begin where timestamps are all (RFC 7323, appendix A). */
constexpr uint32_t NOP_NOP_TIMESTAMPS = 0x0101080A;

uint32_t mix(uint64_t value) {
  value *= 0x9e3779b97f4a7c15ull;
  return static_cast<uint32_t>(value >> 32);
}

}  // namespace

FlowPacket FlowPacket::read(const uint8_t* packet, size_t len, bool reversed) {
  FlowPacket flow;
  const bool v4 = packet[0] >> 4 == 4;
  const size_t header = v4 ? (packet[0] & 0x0F) * size_t{4} : 40;
  const uint8_t protocol = v4 ? packet[9] : packet[6];
  flow.dscp = v4 ? packet[1] >> 2 : static_cast<uint8_t>((load_be16(packet) >> 6) & 0x3F);
  flow.payload_len = len - header;
  uint64_t key = protocol;
  if (v4) {
    const uint64_t addresses = load_raw<uint64_t>(packet + 12);
    key ^= (reversed ? std::rotl(addresses, 32) : addresses) * 31;
  } else {
    const size_t first = reversed ? 24 : 8, second = 32 - first;
    for (const size_t at : {first, first + 8, second, second + 8}) key = key * 31 + load_raw<uint64_t>(packet + at);
  }
  const bool fragment = v4 && (load_be16(packet + 6) & 0x3FFF) != 0;
  if (!fragment && (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP) && len >= header + 8) {
    const auto ports = load_raw<uint32_t>(packet + header);
    key = key * 31 + (reversed ? std::rotl(ports, 16) : ports);
  }
  flow.hash = mix(key);
  if (!fragment && protocol == PROTOCOL_TCP && len >= header + 20) flow.read_tcp(packet + header, len - header);
  return flow;
}

void FlowPacket::read_tcp(const uint8_t* segment, size_t len) {
  const size_t header = (segment[12] >> 4) * size_t{4};
  tcp = true;
  sequence = load_be32(segment + 4);
  acknowledged = load_be32(segment + 8);
  payload_len = len > header ? len - header : 0;
  const bool no_options = header == 20;
  const bool timestamps_only = header == 32 && len >= 32 && load_be32(segment + 20) == NOP_NOP_TIMESTAMPS;
  plain_acknowledgement = payload_len == 0 && segment[13] == TCP_ACK && (no_options || timestamps_only);
}

bool FlowRates::small(const FlowPacket& packet, uint64_t now) {
  if (packet.dscp >= FIRST_URGENT_DSCP || (packet.tcp && packet.payload_len == 0)) return true;
  Flow& flow = flows_[packet.hash % flows_.size()];
  if (flow.hash != packet.hash) flow = {.hash = packet.hash, .at = now};
  const double drained = static_cast<double>(now - flow.at) * SMALL_BYTES_PER_SECOND / 1e9;
  flow.bytes = std::min(std::max(flow.bytes - drained, 0.0) + static_cast<double>(packet.payload_len), MAX_BYTES);
  flow.at = now;
  if (flow.bytes > SMALL_BYTES) flow.bulk = true;
  if (flow.bytes <= static_cast<double>(packet.payload_len)) flow.bulk = false;
  return !flow.bulk;
}

FlowPositions::Place FlowPositions::place(const FlowPacket& packet) const {
  if (!packet.tcp) return Place::unknown;
  if (packet.payload_len == 0) return Place::in_order;
  const Flow& flow = flows_[packet.hash % flows_.size()];
  if (flow.hash != packet.hash) return Place::unknown;
  // One sent again must not overtake either: its sender would take what it overtook for lost.
  return packet.sequence == flow.next_sequence ? Place::in_order : Place::other;
}

void FlowPositions::delivered(const FlowPacket& packet) {
  if (!packet.tcp || packet.payload_len == 0) return;
  Flow& flow = flows_[packet.hash % flows_.size()];
  const uint32_t next = packet.sequence + static_cast<uint32_t>(packet.payload_len);
  if (flow.hash != packet.hash) {
    flow = {packet.hash, next};
  } else if (static_cast<int32_t>(next - flow.next_sequence) > 0) {
    flow.next_sequence = next;
  }
}

}  // namespace asterism
