// What the engine reads of inner IP packets.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace asterism {

constexpr uint8_t PROTOCOL_ICMP = 1;
constexpr uint8_t PROTOCOL_TCP = 6;
constexpr uint8_t PROTOCOL_UDP = 17;
constexpr uint8_t PROTOCOL_ICMPV6 = 58;

constexpr uint8_t TCP_FIN = 0x01;
constexpr uint8_t TCP_PSH = 0x08;
constexpr uint8_t TCP_ACK = 0x10;
constexpr uint8_t TCP_CWR = 0x80;

/** An address of either family: the first 4 or all 16 bytes count. */
struct IpAddress {
  uint8_t bytes[16];
  bool v6;
};

/** Length of the IP packet at `data` by its own header, 0 if it is no whole IPv4 or IPv6 packet of at most `len` bytes. */
inline size_t ip_packet_len(const uint8_t* data, size_t len) {
  if (len < 20) return 0;
  const unsigned version = data[0] >> 4;
  if (version == 4) {
    const size_t header = (data[0] & 0x0F) * size_t{4};
    const size_t total = load_be16(data + 2);
    return header >= 20 && total >= header && total <= len ? total : 0;
  }
  if (version != 6 || len < 40) return 0;
  const size_t total = 40 + size_t{load_be16(data + 4)};
  return total <= len ? total : 0;
}

/** True of what hosts send each other; not of keepalives, nor of messages between agents or engines (first nibble 0). */
inline bool is_traffic(const uint8_t* packet, size_t len) { return len > 0 && packet[0] >> 4 != 0; }

/** `packet` has passed ip_packet_len. */
inline const uint8_t* ip_source(const uint8_t* packet) { return packet[0] >> 4 == 4 ? packet + 12 : packet + 8; }
inline const uint8_t* ip_destination(const uint8_t* packet) { return packet[0] >> 4 == 4 ? packet + 16 : packet + 24; }

/** True if the packet (which has passed ip_packet_len) is an ICMP or ICMPv6 echo reply with this identifier. */
inline bool is_echo_reply(const uint8_t* packet, size_t len, uint16_t identifier) {
  size_t header;
  uint8_t reply_type;
  if (packet[0] >> 4 == 4) {
    if (packet[9] != PROTOCOL_ICMP || (load_be16(packet + 6) & 0x3FFF) != 0) return false;
    header = (packet[0] & 0x0F) * size_t{4};
    reply_type = 0;
  } else {
    if (packet[6] != PROTOCOL_ICMPV6) return false;
    header = 40;
    reply_type = 129;
  }
  return len >= header + 8 && packet[header] == reply_type && load_be16(packet + header + 4) == identifier;
}

}  // namespace asterism
