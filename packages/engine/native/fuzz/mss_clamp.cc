// Any packet and MTU: a SYN's segment size is lowered, its checksum stays as right as it was, and nothing else changes.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/bytes.h"
#include "packet/checksum.h"
#include "packet/ip.h"
#include "packet/mss_clamp.h"

using namespace asterism;

namespace {

constexpr size_t CHECKSUM_OFFSET = 16;

/** 0xFFFF with a right checksum (RFC 1071 §1). */
uint16_t tcp_sum(const uint8_t* packet, size_t offset, size_t len) {
  return checksum_fold(pseudo_header_sum(packet, PROTOCOL_TCP, len - offset) + checksum_sum(packet + offset, len - offset));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const size_t mtu = load_be16(data);
  const size_t len = ip_packet_len(data + 2, size - 2);
  if (len == 0) return 0;
  // Exactly the packet: a byte too far is caught.
  const std::unique_ptr<uint8_t[]> packet(new uint8_t[len]);
  std::memcpy(packet.get(), data + 2, len);
  clamp_mss(packet.get(), len, mtu);
  if (std::memcmp(packet.get(), data + 2, len) == 0) return 0;
  const size_t offset = packet[0] >> 4 == 6 ? 40 : (packet[0] & 0x0F) * size_t{4};
  if (tcp_sum(data + 2, offset, len) != tcp_sum(packet.get(), offset, len)) abort();
  size_t changed = 0;
  for (size_t i = 0; i < len; i++) {
    const bool checksum = i - offset == CHECKSUM_OFFSET || i - offset == CHECKSUM_OFFSET + 1;
    if (!checksum && packet[i] != data[2 + i]) changed++;
  }
  if (changed == 0 || changed > 2) abort();
  return 0;
}
