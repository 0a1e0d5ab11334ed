#include "packet/oversize.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "packet/checksum.h"
#include "packet/ip.h"

namespace asterism {
namespace {

constexpr size_t IPV4_HEADER_BYTES = 20;
constexpr size_t IPV6_HEADER_BYTES = 40;
constexpr size_t FRAGMENT_HEADER_BYTES = 8;
constexpr size_t ICMP_HEADER_BYTES = 8;
/** Largest ICMP error for IPv4 (RFC 1812 §4.3.2.3). */
constexpr size_t MAX_ICMP_V4_BYTES = 576;

constexpr uint16_t DONT_FRAGMENT = 0x4000;
constexpr uint16_t MORE_FRAGMENTS = 0x2000;
constexpr uint16_t OFFSET_MASK = 0x1FFF;

constexpr uint8_t PROTOCOL_HOP_BY_HOP = 0;
constexpr uint8_t PROTOCOL_ROUTING = 43;
constexpr uint8_t PROTOCOL_FRAGMENT = 44;
constexpr uint8_t PROTOCOL_DESTINATION = 60;

bool is_v4(const uint8_t* packet) { return packet[0] >> 4 == 4; }
size_t v4_header_len(const uint8_t* packet) { return (packet[0] & 0x0F) * size_t{4}; }

/** Errors are not answered with errors, nor are later fragments, nor what comes from or goes to many. */
bool may_report_v4(const uint8_t* packet, size_t len) {
  const size_t header = v4_header_len(packet);
  if ((load_be16(packet + 6) & OFFSET_MASK) != 0) return false;
  if (packet[12] == 0 || packet[12] >= 224 || packet[16] >= 224) return false;
  if (packet[9] != PROTOCOL_ICMP) return true;
  // Destination unreachable, source quench, redirect, time exceeded, parameter problem.
  constexpr uint32_t ERRORS = 1u << 3 | 1u << 4 | 1u << 5 | 1u << 11 | 1u << 12;
  return len > header && (packet[header] >= 32 || (ERRORS >> packet[header] & 1) == 0);
}

bool may_report_v6(const uint8_t* packet, size_t len) {
  static constexpr uint8_t UNSPECIFIED[16] = {};
  if (packet[8] == 0xFF || std::memcmp(packet + 8, UNSPECIFIED, sizeof UNSPECIFIED) == 0) return false;
  return packet[6] != PROTOCOL_ICMPV6 || (len > IPV6_HEADER_BYTES && packet[IPV6_HEADER_BYTES] >= 128);
}

size_t write_too_big_v4(uint8_t* out, const uint8_t* packet, size_t len, size_t mtu) {
  const size_t quoted = std::min(len, MAX_ICMP_V4_BYTES - IPV4_HEADER_BYTES - ICMP_HEADER_BYTES);
  const size_t total = IPV4_HEADER_BYTES + ICMP_HEADER_BYTES + quoted;
  std::memset(out, 0, IPV4_HEADER_BYTES + ICMP_HEADER_BYTES);
  out[0] = 0x45;
  out[1] = 0xC0;
  store_be16(out + 2, static_cast<uint16_t>(total));
  out[8] = 64;
  out[9] = PROTOCOL_ICMP;
  std::memcpy(out + 12, packet + 16, 4);
  std::memcpy(out + 16, packet + 12, 4);
  store_raw<uint16_t>(out + 10, ~checksum_fold(checksum_sum(out, IPV4_HEADER_BYTES)));
  uint8_t* icmp = out + IPV4_HEADER_BYTES;
  icmp[0] = 3;
  icmp[1] = 4;
  store_be16(icmp + 6, static_cast<uint16_t>(mtu));
  std::memcpy(icmp + ICMP_HEADER_BYTES, packet, quoted);
  store_raw<uint16_t>(icmp + 2, ~checksum_fold(checksum_sum(icmp, ICMP_HEADER_BYTES + quoted)));
  return total;
}

size_t write_too_big_v6(uint8_t* out, const uint8_t* packet, size_t len, size_t mtu) {
  const size_t quoted = std::min(len, MAX_TOO_BIG_BYTES - IPV6_HEADER_BYTES - ICMP_HEADER_BYTES);
  const size_t icmp_len = ICMP_HEADER_BYTES + quoted;
  std::memset(out, 0, IPV6_HEADER_BYTES + ICMP_HEADER_BYTES);
  out[0] = 0x60;
  store_be16(out + 4, static_cast<uint16_t>(icmp_len));
  out[6] = PROTOCOL_ICMPV6;
  out[7] = 64;
  std::memcpy(out + 8, packet + 24, 16);
  std::memcpy(out + 24, packet + 8, 16);
  uint8_t* icmp = out + IPV6_HEADER_BYTES;
  icmp[0] = 2;
  store_be32(icmp + 4, static_cast<uint32_t>(mtu));
  std::memcpy(icmp + ICMP_HEADER_BYTES, packet, quoted);
  const uint64_t sum = pseudo_header_sum(out, PROTOCOL_ICMPV6, icmp_len) + checksum_sum(icmp, icmp_len);
  store_raw<uint16_t>(icmp + 2, ~checksum_fold(sum));
  return IPV6_HEADER_BYTES + icmp_len;
}

}  // namespace

bool must_be_reported(const uint8_t* packet, size_t len) {
  return is_v4(packet) ? (load_be16(packet + 6) & DONT_FRAGMENT) != 0 : len > MIN_IPV6_MTU;
}

bool may_be_fragmented(const uint8_t* packet) {
  return is_v4(packet) ? (load_be16(packet + 6) & DONT_FRAGMENT) == 0 : packet[6] != PROTOCOL_TCP;
}

size_t write_too_big(uint8_t* out, const uint8_t* packet, size_t len, size_t mtu) {
  if (is_v4(packet)) return may_report_v4(packet, len) ? write_too_big_v4(out, packet, len, mtu) : 0;
  return may_report_v6(packet, len) ? write_too_big_v6(out, packet, len, std::max(mtu, MIN_IPV6_MTU)) : 0;
}

bool Fragmenter::start(const uint8_t* packet, size_t len, size_t limit, uint32_t id) {
  packet_ = packet;
  len_ = len;
  size_t header;
  if (is_v4(packet)) {
    const uint16_t field = load_be16(packet + 6);
    begin_ = header = v4_header_len(packet);
    offset_ = (field & OFFSET_MASK) * size_t{8};
    more_ = (field & MORE_FRAGMENTS) != 0;
  } else {
    next_header_ = packet[6];
    // What stands before the fragment header would have to be repeated; hosts that need that are few.
    if (next_header_ == PROTOCOL_HOP_BY_HOP || next_header_ == PROTOCOL_ROUTING || next_header_ == PROTOCOL_DESTINATION) {
      return false;
    }
    const bool is_fragment = next_header_ == PROTOCOL_FRAGMENT;
    if (is_fragment && len < IPV6_HEADER_BYTES + FRAGMENT_HEADER_BYTES) return false;
    const uint8_t* fragment = packet + IPV6_HEADER_BYTES;
    begin_ = IPV6_HEADER_BYTES + (is_fragment ? FRAGMENT_HEADER_BYTES : 0);
    header = IPV6_HEADER_BYTES + FRAGMENT_HEADER_BYTES;
    next_header_ = is_fragment ? fragment[0] : next_header_;
    offset_ = is_fragment ? load_be16(fragment + 2) & 0xFFF8u : 0;
    more_ = is_fragment && (fragment[3] & 1) != 0;
    id_ = is_fragment ? load_be32(fragment + 4) : id;
  }
  at_ = begin_;
  if (limit < header + 8 || begin_ >= len) return false;
  piece_ = (limit - header) & ~size_t{7};
  return true;
}

size_t Fragmenter::next(uint8_t* out) {
  if (at_ >= len_) return 0;
  const size_t payload = std::min(piece_, len_ - at_);
  const bool last = at_ + payload == len_;
  const size_t header = is_v4(packet_) ? write_v4_header(out, payload, last) : write_v6_header(out, payload, last);
  std::memcpy(out + header, packet_ + at_, payload);
  at_ += payload;
  return header + payload;
}

size_t Fragmenter::write_v4_header(uint8_t* out, size_t payload, bool last) const {
  std::memcpy(out, packet_, begin_);
  const size_t offset = offset_ + (at_ - begin_);
  store_be16(out + 2, static_cast<uint16_t>(begin_ + payload));
  store_be16(out + 6, static_cast<uint16_t>(offset / 8 | (!last || more_ ? MORE_FRAGMENTS : 0)));
  store_raw<uint16_t>(out + 10, 0);
  store_raw<uint16_t>(out + 10, ~checksum_fold(checksum_sum(out, begin_)));
  return begin_;
}

size_t Fragmenter::write_v6_header(uint8_t* out, size_t payload, bool last) const {
  std::memcpy(out, packet_, IPV6_HEADER_BYTES);
  store_be16(out + 4, static_cast<uint16_t>(FRAGMENT_HEADER_BYTES + payload));
  out[6] = PROTOCOL_FRAGMENT;
  uint8_t* fragment = out + IPV6_HEADER_BYTES;
  const size_t offset = offset_ + (at_ - begin_);
  fragment[0] = next_header_;
  fragment[1] = 0;
  store_be16(fragment + 2, static_cast<uint16_t>(offset | (!last || more_ ? 1 : 0)));
  store_be32(fragment + 4, id_);
  return IPV6_HEADER_BYTES + FRAGMENT_HEADER_BYTES;
}

}  // namespace asterism
