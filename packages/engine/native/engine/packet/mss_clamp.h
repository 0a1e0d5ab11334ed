// Makes TCP connections through the tunnel begin with segments that fit it, so that they need no report of packets that
// are too large: firewalls in hosts drop such reports (RFC 2923 §2.1), and hosts behind a router don't know the tunnel.
#pragma once

#include <cstddef>
#include <cstdint>

namespace asterism {

/**
 * Lowers the maximum segment size that a TCP SYN announces (RFC 9293 §3.7.1) to what packets of `mtu` bytes hold; other
 * packets stay as they are. The packet has passed ip_packet_len, and its checksum is complete.
 */
void clamp_mss(uint8_t* packet, size_t len, size_t mtu);

}  // namespace asterism
