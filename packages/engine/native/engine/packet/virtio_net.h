// The virtio_net_hdr that IFF_VNET_HDR puts before each packet (virtio 1.2 §5.1.6).
// <linux/virtio_net.h> is no C++ (it has a field named `class`), and older <linux/if_tun.h> lack USO.
#pragma once

#include <cstdint>

namespace asterism {

struct VnetHeader {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t hdr_len;
  uint16_t gso_size;
  uint16_t csum_start;
  uint16_t csum_offset;
};
static_assert(sizeof(VnetHeader) == 10);

constexpr uint8_t VNET_NEEDS_CSUM = 1;
constexpr uint8_t VNET_GSO_NONE = 0;
constexpr uint8_t VNET_GSO_TCPV4 = 1;
constexpr uint8_t VNET_GSO_TCPV6 = 4;
constexpr uint8_t VNET_GSO_UDP_L4 = 5;
constexpr uint8_t VNET_GSO_ECN = 0x80;

constexpr unsigned OFFLOAD_CSUM = 0x01;
constexpr unsigned OFFLOAD_TSO4 = 0x02;
constexpr unsigned OFFLOAD_TSO6 = 0x04;
constexpr unsigned OFFLOAD_TSO_ECN = 0x08;
constexpr unsigned OFFLOAD_USO4 = 0x20;
constexpr unsigned OFFLOAD_USO6 = 0x40;

}  // namespace asterism
