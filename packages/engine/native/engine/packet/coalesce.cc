#include "packet/coalesce.h"

#include <cstring>

#include "base/bytes.h"
#include "packet/checksum.h"
#include "packet/ip.h"

namespace asterism {
namespace {

constexpr size_t TCP_CHECKSUM_OFFSET = 16;
constexpr size_t UDP_CHECKSUM_OFFSET = 6;

/** Source, destination and ports of two packets with equal header layout. */
bool same_flow(const uint8_t* a, const uint8_t* b, size_t l4_offset) {
  if (a[0] >> 4 == 4) {
    return load_raw<uint64_t>(a + 12) == load_raw<uint64_t>(b + 12) &&
           load_raw<uint32_t>(a + l4_offset) == load_raw<uint32_t>(b + l4_offset);
  }
  return std::memcmp(a + 8, b + 8, 32) == 0 &&
         load_raw<uint32_t>(a + l4_offset) == load_raw<uint32_t>(b + l4_offset);
}

}  // namespace

Coalescer::Coalescer(PacketSink& sink, bool udp) : sink_(sink), udp_(udp), memory_((AGGREGATES + 1) * AGGREGATE_BYTES) {
  for (unsigned i = 0; i < AGGREGATES; i++) {
    aggregates_[i].packet = memory_.data() + i * AGGREGATE_BYTES + HEADROOM_BYTES;
  }
}

uint8_t* Coalescer::place(size_t max_len) {
  if (last_ != NONE && aggregates_[last_].len != 0) {
    const Aggregate& aggregate = aggregates_[last_];
    // The place overlaps the last header_len bytes of the aggregate: they must not be its own headers, which the next
    // packet is compared with.
    const bool apart = aggregate.len >= 2 * size_t{aggregate.head.header_len};
    if (apart && aggregate.len + max_len <= MAX_PACKET_BYTES + aggregate.head.header_len) {
      behind_ = true;
      place_slot_ = last_;
      place_ = aggregate.packet + aggregate.len - aggregate.head.header_len;
      std::memcpy(saved_tail_, place_, aggregate.head.header_len);
      return place_;
    }
  }
  behind_ = false;
  place_slot_ = free_slot();
  place_ = aggregates_[place_slot_].packet;
  return place_;
}

void Coalescer::restore_tail() {
  if (behind_) std::memcpy(place_, saved_tail_, aggregates_[place_slot_].head.header_len);
}

void Coalescer::abandon() { restore_tail(); }

void Coalescer::commit(size_t len) {
  Parsed parsed = parse(place_, len);
  if (parsed.joinable && !checksum_valid(place_, len, parsed)) parsed.joinable = false;
  if (!behind_) {
    settle(parsed, place_, len, true);
    return;
  }
  Aggregate& aggregate = aggregates_[place_slot_];
  if (parsed.joinable && parsed.header_len == aggregate.head.header_len && can_append(aggregate, place_, parsed)) {
    uint8_t headers[256];
    std::memcpy(headers, place_, parsed.header_len);
    restore_tail();
    note_appended(place_slot_, headers, parsed);
    return;
  }
  // The guess was wrong: move the packet out of the aggregate's way.
  uint8_t* aside = memory_.data() + AGGREGATES * AGGREGATE_BYTES + HEADROOM_BYTES;
  std::memcpy(aside, place_, len);
  restore_tail();
  settle(parsed, aside, len, false);
}

void Coalescer::add(uint8_t* packet, size_t len) {
  Parsed parsed = parse(packet, len);
  if (parsed.joinable && !checksum_valid(packet, len, parsed)) parsed.joinable = false;
  settle(parsed, packet, len, false);
}

/** Finds the packet its aggregate, opens one, or writes it. `in_slot`: it lies at the start of the free place_slot_. */
void Coalescer::settle(const Parsed& parsed, uint8_t* packet, size_t len, bool in_slot) {
  const unsigned slot = parsed.flow ? find_flow(packet, parsed) : NONE;
  if (slot != NONE) {
    Aggregate& aggregate = aggregates_[slot];
    const bool fits = aggregate.len + parsed.payload_len <= MAX_PACKET_BYTES;
    if (parsed.joinable && fits && can_append(aggregate, packet, parsed)) {
      std::memcpy(aggregate.packet + aggregate.len, packet + parsed.header_len, parsed.payload_len);
      note_appended(slot, packet, parsed);
      return;
    }
    close(slot);
  }
  if (!parsed.joinable || parsed.closes) {
    write_single(packet, len);
    return;
  }
  unsigned target = place_slot_;
  if (!in_slot) {
    target = free_slot();
    std::memcpy(aggregates_[target].packet, packet, len);
  }
  open_aggregate(target, parsed, len);
}

Coalescer::Parsed Coalescer::parse(const uint8_t* packet, size_t len) const {
  Parsed parsed{};
  const bool v4 = packet[0] >> 4 == 4;
  parsed.protocol = v4 ? packet[9] : packet[6];
  parsed.l4_offset = v4 ? static_cast<uint8_t>((packet[0] & 0x0F) * 4) : 40;
  const bool plain_header = v4 ? packet[0] == 0x45 && (load_be16(packet + 6) & 0x3FFF) == 0 : true;
  if (!plain_header) return parsed;
  const size_t l4_len = len - parsed.l4_offset;
  const uint8_t* l4 = packet + parsed.l4_offset;
  parsed.flow = (parsed.protocol == PROTOCOL_TCP || parsed.protocol == PROTOCOL_UDP) && l4_len >= 4;
  if (parsed.protocol == PROTOCOL_TCP && l4_len >= 20) {
    const size_t l4_header = (l4[12] >> 4) * size_t{4};
    if (l4_header < 20 || l4_header > l4_len) return parsed;
    parsed.header_len = static_cast<uint8_t>(parsed.l4_offset + l4_header);
    parsed.payload_len = l4_len - l4_header;
    parsed.joinable = parsed.payload_len > 0 && (l4[13] & ~TCP_PSH) == TCP_ACK;
    parsed.closes = (l4[13] & TCP_PSH) != 0;
  } else if (parsed.protocol == PROTOCOL_UDP && l4_len >= 8) {
    parsed.header_len = static_cast<uint8_t>(parsed.l4_offset + 8);
    parsed.payload_len = l4_len - 8;
    parsed.joinable = udp_ && parsed.payload_len > 0 && load_be16(l4 + 4) == l4_len && load_raw<uint16_t>(l4 + 6) != 0;
  }
  return parsed;
}

bool Coalescer::checksum_valid(const uint8_t* packet, size_t len, const Parsed& parsed) const {
  // The host won't look at the checksums of a super-packet: a wrong one would be healed by it.
  if (packet[0] >> 4 == 4 && checksum_fold(checksum_sum(packet, 20)) != 0xFFFF) return false;
  const size_t l4_len = len - parsed.l4_offset;
  const uint64_t sum =
      pseudo_header_sum(packet, parsed.protocol, l4_len) + checksum_sum(packet + parsed.l4_offset, l4_len);
  return checksum_fold(sum) == 0xFFFF;
}

unsigned Coalescer::find_flow(const uint8_t* packet, const Parsed& parsed) const {
  for (unsigned i = 0; i < AGGREGATES; i++) {
    const Aggregate& aggregate = aggregates_[i];
    if (aggregate.len != 0 && aggregate.head.protocol == parsed.protocol &&
        aggregate.packet[0] >> 4 == packet[0] >> 4 && same_flow(aggregate.packet, packet, parsed.l4_offset)) {
      return i;
    }
  }
  return NONE;
}

bool Coalescer::can_append(const Aggregate& aggregate, const uint8_t* packet, const Parsed& parsed) const {
  if (aggregate.head.protocol != parsed.protocol || aggregate.head.header_len != parsed.header_len) return false;
  if (parsed.payload_len > aggregate.segment_len || aggregate.segments >= MAX_SEGMENTS) return false;
  return headers_match(aggregate, packet, parsed);
}

bool Coalescer::headers_match(const Aggregate& aggregate, const uint8_t* packet, const Parsed& parsed) const {
  const uint8_t* first = aggregate.packet;
  if (packet[0] >> 4 == 4) {
    // Version, TOS; flags, TTL, protocol; an id that counts up unless DF makes it meaningless (RFC 6864).
    const bool dont_fragment = (packet[6] & 0x40) != 0;
    if (load_raw<uint16_t>(first) != load_raw<uint16_t>(packet) ||
        load_raw<uint32_t>(first + 6) != load_raw<uint32_t>(packet + 6) ||
        (!dont_fragment && load_be16(packet + 4) != aggregate.next_id)) {
      return false;
    }
  } else if (load_raw<uint32_t>(first) != load_raw<uint32_t>(packet) ||
             load_raw<uint16_t>(first + 6) != load_raw<uint16_t>(packet + 6)) {
    return false;
  }
  if (!same_flow(first, packet, parsed.l4_offset)) return false;
  if (parsed.protocol == PROTOCOL_UDP) return true;
  const uint8_t* a = first + parsed.l4_offset;
  const uint8_t* b = packet + parsed.l4_offset;
  // Sequence, acknowledgement, window, urgent pointer and options; flags were checked by `parse`.
  return load_be32(b + 4) == aggregate.next_sequence && load_raw<uint32_t>(a + 8) == load_raw<uint32_t>(b + 8) &&
         a[12] == b[12] && load_raw<uint16_t>(a + 14) == load_raw<uint16_t>(b + 14) &&
         load_raw<uint16_t>(a + 18) == load_raw<uint16_t>(b + 18) &&
         std::memcmp(a + 20, b + 20, parsed.header_len - parsed.l4_offset - 20u) == 0;
}

/** `packet`: the joined packet's headers; its payload is in place behind the aggregate already. */
void Coalescer::note_appended(unsigned slot, const uint8_t* packet, const Parsed& parsed) {
  Aggregate& aggregate = aggregates_[slot];
  aggregate.len += parsed.payload_len;
  aggregate.segments++;
  aggregate.next_sequence += static_cast<uint32_t>(parsed.payload_len);
  aggregate.next_id++;
  if (parsed.protocol == PROTOCOL_TCP) aggregate.last_flags = packet[parsed.l4_offset + 13];
  last_ = slot;
  const bool short_one = parsed.payload_len < aggregate.segment_len;
  const bool full = aggregate.len + aggregate.segment_len > MAX_PACKET_BYTES || aggregate.segments >= MAX_SEGMENTS;
  if (short_one || parsed.closes || full) close(slot);
}

void Coalescer::open_aggregate(unsigned slot, const Parsed& parsed, size_t len) {
  Aggregate& aggregate = aggregates_[slot];
  aggregate.len = len;
  aggregate.opened = ++clock_;
  aggregate.segments = 1;
  aggregate.segment_len = parsed.payload_len;
  aggregate.head = parsed;
  const uint8_t* l4 = aggregate.packet + parsed.l4_offset;
  if (parsed.protocol == PROTOCOL_TCP) {
    aggregate.next_sequence = load_be32(l4 + 4) + static_cast<uint32_t>(parsed.payload_len);
    aggregate.last_flags = l4[13];
  }
  aggregate.next_id = static_cast<uint16_t>(load_be16(aggregate.packet + 4) + 1);
  last_ = slot;
}

void Coalescer::close(unsigned slot) {
  Aggregate& aggregate = aggregates_[slot];
  uint8_t* frame = aggregate.packet - sizeof(VnetHeader);
  VnetHeader vnet{};
  if (aggregate.segments > 1) finish_headers(aggregate, vnet);
  store_raw(frame, vnet);
  sink_.write_packet(frame, sizeof vnet + aggregate.len);
  aggregate.len = 0;
  if (last_ == slot) last_ = NONE;
}

void Coalescer::finish_headers(Aggregate& aggregate, VnetHeader& vnet) const {
  uint8_t* ip = aggregate.packet;
  const Parsed& head = aggregate.head;
  const bool v4 = ip[0] >> 4 == 4;
  const bool tcp = head.protocol == PROTOCOL_TCP;
  uint8_t* l4 = ip + head.l4_offset;
  const size_t l4_len = aggregate.len - head.l4_offset;
  if (v4) {
    store_be16(ip + 2, static_cast<uint16_t>(aggregate.len));
    store_raw<uint16_t>(ip + 10, 0);
    store_raw<uint16_t>(ip + 10, ~checksum_fold(checksum_sum(ip, head.l4_offset)));
  } else {
    store_be16(ip + 4, static_cast<uint16_t>(aggregate.len - 40));
  }
  if (tcp) {
    l4[13] |= aggregate.last_flags;
  } else {
    store_be16(l4 + 4, static_cast<uint16_t>(l4_len));
  }
  const size_t checksum_offset = tcp ? TCP_CHECKSUM_OFFSET : UDP_CHECKSUM_OFFSET;
  store_raw<uint16_t>(l4 + checksum_offset, checksum_fold(pseudo_header_sum(ip, head.protocol, l4_len)));
  vnet.flags = VNET_NEEDS_CSUM;
  vnet.gso_type = !tcp ? VNET_GSO_UDP_L4 : v4 ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6;
  vnet.hdr_len = head.header_len;
  vnet.gso_size = static_cast<uint16_t>(aggregate.segment_len);
  vnet.csum_start = head.l4_offset;
  vnet.csum_offset = static_cast<uint16_t>(checksum_offset);
}

void Coalescer::write_single(uint8_t* packet, size_t len) {
  uint8_t* frame = packet - sizeof(VnetHeader);
  store_raw(frame, VnetHeader{});
  sink_.write_packet(frame, sizeof(VnetHeader) + len);
}

unsigned Coalescer::free_slot() {
  unsigned oldest = 0;
  for (unsigned i = 0; i < AGGREGATES; i++) {
    if (aggregates_[i].len == 0) return i;
    if (aggregates_[i].opened < aggregates_[oldest].opened) oldest = i;
  }
  close(oldest);
  return oldest;
}

void Coalescer::flush() {
  for (unsigned i = 0; i < AGGREGATES; i++) {
    if (aggregates_[i].len != 0) close(i);
  }
}

}  // namespace asterism
