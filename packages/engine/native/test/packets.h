// Inner packets for tests.
#pragma once

#include <cstdint>
#include <vector>

#include "packet/ip.h"
#include "packet/virtio_net.h"

namespace asterism::test {

using Bytes = std::vector<uint8_t>;

struct PacketSpec {
  bool v6 = false;
  uint8_t protocol = PROTOCOL_TCP;  // TCP with a timestamp option, UDP, or anything else with 8 header bytes
  size_t payload = 100;
  uint32_t sequence = 1;
  uint32_t acknowledgement = 99;
  uint8_t flags = TCP_ACK;
  uint16_t window = 1000;
  uint32_t timestamp = 5;
  uint16_t id = 7;
  uint8_t ttl = 64;
  uint8_t tos = 0;
  uint16_t source_port = 40'000;
  bool dont_fragment = false;
};

/** A packet with right checksums. */
Bytes make_packet(const PacketSpec& spec);
/** The vnet header that asks for segments of `gso_size` bytes. */
VnetHeader segmented(const Bytes& packet, const PacketSpec& spec, uint16_t gso_size);
/** Leaves the pseudo-header's sum in the checksum field. */
void put_partial_checksum(Bytes& packet, const PacketSpec& spec);
/** IP header, TCP and UDP checksums; by the definition, not by the engine's code. */
bool checksums_valid(const Bytes& packet);

}  // namespace asterism::test
