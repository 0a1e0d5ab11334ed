#include "packets.h"

#include <cstring>

#include "base/bytes.h"

namespace asterism::test {
namespace {

uint32_t sum_bytes(const uint8_t* data, size_t len, uint32_t sum) {
  for (size_t i = 0; i < len; i++) sum += uint32_t{data[i]} << (i % 2 == 0 ? 8 : 0);
  while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16);
  return sum;
}

uint32_t pseudo_sum(const Bytes& packet, uint8_t protocol, size_t l4_len) {
  const bool v6 = packet[0] >> 4 == 6;
  const uint32_t addresses = v6 ? sum_bytes(packet.data() + 8, 32, 0) : sum_bytes(packet.data() + 12, 8, 0);
  const uint8_t rest[4] = {0, protocol, static_cast<uint8_t>(l4_len >> 8), static_cast<uint8_t>(l4_len)};
  return sum_bytes(rest, 4, addresses);
}

size_t checksum_offset(uint8_t protocol) { return protocol == PROTOCOL_TCP ? 16 : 6; }
size_t header_len(uint8_t protocol) { return protocol == PROTOCOL_TCP ? 32 : 8; }

void write_ip(Bytes& packet, const PacketSpec& spec) {
  if (spec.v6) {
    store_be32(packet.data(), 0x60000000 | uint32_t{spec.tos} << 20);
    store_be16(packet.data() + 4, static_cast<uint16_t>(packet.size() - 40));
    packet[6] = spec.protocol;
    packet[7] = spec.ttl;
    packet[8] = packet[24] = 0xFD;
    packet[23] = 1;
    packet[39] = 2;
    return;
  }
  packet[0] = 0x45;
  packet[1] = spec.tos;
  store_be16(packet.data() + 2, static_cast<uint16_t>(packet.size()));
  store_be16(packet.data() + 4, spec.id);
  packet[6] = spec.dont_fragment ? 0x40 : 0;
  packet[8] = spec.ttl;
  packet[9] = spec.protocol;
  const uint8_t addresses[8] = {100, 64, 0, 1, 100, 64, 0, 2};
  std::memcpy(packet.data() + 12, addresses, 8);
  store_be16(packet.data() + 10, static_cast<uint16_t>(~sum_bytes(packet.data(), 20, 0)));
}

void write_tcp(uint8_t* tcp, const PacketSpec& spec) {
  store_be32(tcp + 4, spec.sequence);
  store_be32(tcp + 8, spec.acknowledgement);
  tcp[12] = 8 << 4;
  tcp[13] = spec.flags;
  store_be16(tcp + 14, spec.window);
  tcp[20] = tcp[21] = 1;
  tcp[22] = 8;
  tcp[23] = 10;
  store_be32(tcp + 24, spec.timestamp);
}

}  // namespace

Bytes make_packet(const PacketSpec& spec) {
  const size_t l4 = spec.v6 ? 40 : 20;
  Bytes packet(l4 + header_len(spec.protocol) + spec.payload);
  write_ip(packet, spec);
  uint8_t* header = packet.data() + l4;
  store_be16(header, spec.source_port);
  store_be16(header + 2, 5201);
  if (spec.protocol == PROTOCOL_TCP) write_tcp(header, spec);
  if (spec.protocol == PROTOCOL_UDP) store_be16(header + 4, static_cast<uint16_t>(packet.size() - l4));
  for (size_t i = l4 + header_len(spec.protocol); i < packet.size(); i++) {
    packet[i] = static_cast<uint8_t>(i * 31 + spec.sequence + spec.id);
  }
  if (spec.protocol == PROTOCOL_TCP || spec.protocol == PROTOCOL_UDP) {
    const size_t l4_len = packet.size() - l4;
    uint16_t sum = static_cast<uint16_t>(~sum_bytes(header, l4_len, pseudo_sum(packet, spec.protocol, l4_len)));
    if (spec.protocol == PROTOCOL_UDP && sum == 0) sum = 0xFFFF;
    store_be16(header + checksum_offset(spec.protocol), sum);
  }
  return packet;
}

VnetHeader segmented(const Bytes& packet, const PacketSpec& spec, uint16_t gso_size) {
  const uint16_t l4 = packet[0] >> 4 == 6 ? 40 : 20;
  VnetHeader vnet{};
  vnet.flags = VNET_NEEDS_CSUM;
  vnet.gso_type = spec.protocol == PROTOCOL_UDP ? VNET_GSO_UDP_L4 : spec.v6 ? VNET_GSO_TCPV6 : VNET_GSO_TCPV4;
  vnet.hdr_len = static_cast<uint16_t>(l4 + header_len(spec.protocol));
  vnet.gso_size = gso_size;
  vnet.csum_start = l4;
  vnet.csum_offset = static_cast<uint16_t>(checksum_offset(spec.protocol));
  return vnet;
}

void put_partial_checksum(Bytes& packet, const PacketSpec& spec) {
  const size_t l4 = spec.v6 ? 40 : 20;
  const uint32_t sum = pseudo_sum(packet, spec.protocol, packet.size() - l4);
  store_be16(packet.data() + l4 + checksum_offset(spec.protocol), static_cast<uint16_t>(sum));
}

bool checksums_valid(const Bytes& packet) {
  const bool v6 = packet[0] >> 4 == 6;
  const size_t l4 = v6 ? 40 : 20;
  if (!v6 && sum_bytes(packet.data(), 20, 0) != 0xFFFF) return false;
  const uint8_t protocol = packet[v6 ? 6 : 9];
  const size_t l4_len = packet.size() - l4;
  return sum_bytes(packet.data() + l4, l4_len, pseudo_sum(packet, protocol, l4_len)) == 0xFFFF;
}

}  // namespace asterism::test
