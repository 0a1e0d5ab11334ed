#include "packet/split.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "packet/checksum.h"
#include "packet/ip.h"

namespace asterism {
namespace {

constexpr size_t UDP_HEADER_BYTES = 8;
constexpr size_t TCP_CHECKSUM_OFFSET = 16;
constexpr size_t UDP_CHECKSUM_OFFSET = 6;

}  // namespace

bool Splitter::start(const VnetHeader& vnet, uint8_t* packet, size_t len) {
  packet_ = packet;
  index_ = 0;
  if (ip_packet_len(packet, len) != len) return false;
  const uint8_t gso_type = vnet.gso_type & ~VNET_GSO_ECN;
  if (gso_type != VNET_GSO_NONE) return start_segmented(vnet, len);
  count_ = 1;
  header_len_ = 0;
  segment_len_ = payload_len_ = len;
  return (vnet.flags & VNET_NEEDS_CSUM) == 0 || complete_checksum(vnet, len);
}

bool Splitter::start_segmented(const VnetHeader& vnet, size_t len) {
  const uint8_t gso_type = vnet.gso_type & ~VNET_GSO_ECN;
  const bool v4 = packet_[0] >> 4 == 4;
  const bool known = gso_type == VNET_GSO_UDP_L4 || gso_type == (v4 ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6);
  if (!known || vnet.gso_size == 0) return false;
  protocol_ = gso_type == VNET_GSO_UDP_L4 ? PROTOCOL_UDP : PROTOCOL_TCP;
  // csum_start, not hdr_len, says where the transport header is: hdr_len is a hint only.
  l4_offset_ = vnet.csum_start;
  if (v4 ? l4_offset_ != (packet_[0] & 0x0F) * size_t{4} : l4_offset_ < 40) return false;
  const size_t least = protocol_ == PROTOCOL_TCP ? 20 : UDP_HEADER_BYTES;
  if (l4_offset_ + least > len) return false;
  size_t l4_header = UDP_HEADER_BYTES;
  if (protocol_ == PROTOCOL_TCP) l4_header = (packet_[l4_offset_ + 12] >> 4) * size_t{4};
  header_len_ = l4_offset_ + l4_header;
  if (l4_header < least || header_len_ > MAX_HEADER_BYTES || header_len_ >= len) return false;
  segment_len_ = vnet.gso_size;
  payload_len_ = len - header_len_;
  count_ = (payload_len_ + segment_len_ - 1) / segment_len_;
  std::memcpy(headers_, packet_, header_len_);
  return true;
}

bool Splitter::complete_checksum(const VnetHeader& vnet, size_t len) {
  const size_t at = size_t{vnet.csum_start} + vnet.csum_offset;
  if (vnet.csum_start >= len || at + 2 > len) return false;
  // The field holds the sum of the pseudo-header, so summing over it includes that.
  const uint16_t sum = ~checksum_fold(checksum_sum(packet_ + vnet.csum_start, len - vnet.csum_start));
  const bool udp = vnet.csum_offset == UDP_CHECKSUM_OFFSET;
  store_raw<uint16_t>(packet_ + at, udp && sum == 0 ? 0xFFFF : sum);
  return true;
}

Splitter::Packet Splitter::next() {
  if (header_len_ == 0) return {packet_, payload_len_};
  const size_t offset = index_ * segment_len_;
  const size_t payload = std::min(segment_len_, payload_len_ - offset);
  const bool last = index_ + 1 == count_;
  uint8_t* packet = packet_ + offset;
  const size_t len = header_len_ + payload;
  std::memcpy(packet, headers_, header_len_);
  write_ip_header(packet, len);
  uint8_t* l4 = packet + l4_offset_;
  const size_t l4_len = len - l4_offset_;
  const size_t checksum_offset = protocol_ == PROTOCOL_TCP ? TCP_CHECKSUM_OFFSET : UDP_CHECKSUM_OFFSET;
  if (protocol_ == PROTOCOL_TCP) {
    write_tcp_header(l4, last);
  } else {
    store_be16(l4 + 4, static_cast<uint16_t>(l4_len));
  }
  store_raw<uint16_t>(l4 + checksum_offset, 0);
  uint16_t sum = ~checksum_fold(pseudo_header_sum(packet, protocol_, l4_len) + checksum_sum(l4, l4_len));
  if (protocol_ == PROTOCOL_UDP && sum == 0) sum = 0xFFFF;
  store_raw<uint16_t>(l4 + checksum_offset, sum);
  index_++;
  return {packet, len};
}

void Splitter::write_ip_header(uint8_t* packet, size_t len) const {
  if (packet[0] >> 4 == 6) {
    store_be16(packet + 4, static_cast<uint16_t>(len - 40));
    return;
  }
  store_be16(packet + 2, static_cast<uint16_t>(len));
  store_be16(packet + 4, static_cast<uint16_t>(load_be16(headers_ + 4) + index_));
  store_raw<uint16_t>(packet + 10, 0);
  store_raw<uint16_t>(packet + 10, ~checksum_fold(checksum_sum(packet, l4_offset_)));
}

void Splitter::write_tcp_header(uint8_t* tcp, bool last) const {
  const uint32_t sequence = load_be32(headers_ + l4_offset_ + 4);
  store_be32(tcp + 4, sequence + static_cast<uint32_t>(index_ * segment_len_));
  if (!last) tcp[13] &= ~(TCP_FIN | TCP_PSH);
  if (index_ > 0) tcp[13] &= ~TCP_CWR;
}

}  // namespace asterism
