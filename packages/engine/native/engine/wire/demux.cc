#include "wire/demux.h"

#include "base/bytes.h"

namespace asterism {
namespace {

constexpr uint32_t STUN_MAGIC_COOKIE = 0x2112A442;
constexpr size_t STUN_HEADER_BYTES = 20;

bool looks_like_stun(const uint8_t* data, size_t len) {
  if (len < STUN_HEADER_BYTES || data[0] > 1 || load_be32(data + 4) != STUN_MAGIC_COOKIE) return false;
  const size_t body = load_be16(data + 2);
  return body % 4 == 0 && STUN_HEADER_BYTES + body == len;
}

DatagramKind wireguard_kind(const uint8_t* data, size_t len) {
  if (len < 4 || (load_le32(data) >> 8) != 0) return DatagramKind::unknown;
  switch (data[0]) {
    case 1:
      return len == 148 ? DatagramKind::handshake : DatagramKind::malformed;
    case 2:
      return len == 92 ? DatagramKind::handshake : DatagramKind::malformed;
    case 3:
      return len == 64 ? DatagramKind::cookie_reply : DatagramKind::malformed;
    case MESSAGE_TRANSPORT:
      return len >= TRANSPORT_OVERHEAD_BYTES ? DatagramKind::transport : DatagramKind::malformed;
    default:
      return DatagramKind::unknown;
  }
}

DatagramKind plain_kind(const uint8_t* data, size_t len) {
  if (len == 0) return DatagramKind::unknown;
  if (looks_like_stun(data, len)) return DatagramKind::stun;
  return wireguard_kind(data, len);
}

}  // namespace

Datagram demultiplex(uint8_t* data, size_t len) {
  if (len > 0 && (data[0] & 0xF0) == 0x40) {
    if (len < CHANNEL_HEADER_BYTES) return {DatagramKind::malformed, 0, data, len};
    const uint16_t channel = load_be16(data);
    const size_t inner_len = load_be16(data + 2);
    if (inner_len > len - CHANNEL_HEADER_BYTES) return {DatagramKind::malformed, channel, data, len};
    uint8_t* inner = data + CHANNEL_HEADER_BYTES;
    return {plain_kind(inner, inner_len), channel, inner, inner_len};
  }
  return {plain_kind(data, len), 0, data, len};
}

}  // namespace asterism
