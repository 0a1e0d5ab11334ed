#include "wire/turn.h"

#include <cstring>

#include "base/bytes.h"
#include "wire/demux.h"

namespace asterism {
namespace {

constexpr uint32_t MAGIC_COOKIE = 0x2112A442;
constexpr size_t HEADER_BYTES = 20;
constexpr uint16_t BINDING_REQUEST = 0x0001;
constexpr uint16_t SEND_INDICATION = 0x0016;
constexpr uint16_t DATA_INDICATION = 0x0017;

constexpr uint16_t MESSAGE_INTEGRITY = 0x0008;
constexpr uint16_t XOR_PEER_ADDRESS = 0x0012;
constexpr uint16_t DATA = 0x0013;
constexpr uint16_t DONT_FRAGMENT = 0x001A;
constexpr uint16_t MESSAGE_INTEGRITY_SHA256 = 0x001C;
constexpr uint16_t COMPREHENSION_OPTIONAL = 0x8000;

constexpr uint8_t FAMILY_V4 = 1;
constexpr uint8_t FAMILY_V6 = 2;

/** The mask of XOR addresses: cookie, then transaction id, as they stand in the header. */
void apply_mask(uint8_t* to, const uint8_t* from, size_t len, const uint8_t* mask) {
  for (size_t i = 0; i < len; i++) to[i] = from[i] ^ mask[i];
}

bool parse_peer(const uint8_t* value, size_t len, const uint8_t* mask, UdpAddress& peer) {
  const bool v4 = len == 8 && value[1] == FAMILY_V4;
  if (!v4 && !(len == 20 && value[1] == FAMILY_V6)) return false;
  const uint16_t port = __builtin_bswap16(static_cast<uint16_t>(load_be16(value + 2) ^ load_be16(mask)));
  peer = UdpAddress();
  if (v4) {
    peer.v4.sin_family = AF_INET;
    peer.v4.sin_port = port;
    apply_mask(reinterpret_cast<uint8_t*>(&peer.v4.sin_addr), value + 4, 4, mask);
  } else {
    peer.v6.sin6_family = AF_INET6;
    peer.v6.sin6_port = port;
    apply_mask(reinterpret_cast<uint8_t*>(&peer.v6.sin6_addr), value + 4, 16, mask);
  }
  return port != 0;
}

}  // namespace

TurnDatagram classify_turn(const uint8_t* data, size_t len) {
  if (len < CHANNEL_HEADER_BYTES) return {TurnKind::unknown, 0, data, len};
  const size_t body = load_be16(data + 2);
  if ((data[0] & 0xC0) == 0x40) {
    const uint16_t channel = load_be16(data);
    const size_t rest = len - CHANNEL_HEADER_BYTES;
    if (body > rest || rest - body > 3) return {TurnKind::malformed, channel, data, len};
    return {TurnKind::channel_data, channel, data + CHANNEL_HEADER_BYTES, body};
  }
  if ((data[0] & 0xC0) != 0 || len < HEADER_BYTES) return {TurnKind::unknown, 0, data, len};
  const bool whole = body % 4 == 0 && HEADER_BYTES + body == len;
  const uint16_t type = load_be16(data);
  if (load_be32(data + 4) == MAGIC_COOKIE) {
    if (!whole) return {TurnKind::malformed, 0, data, len};
    return {type == SEND_INDICATION ? TurnKind::send_indication : TurnKind::stun, 0, data, len};
  }
  return {type == BINDING_REQUEST && whole ? TurnKind::classic_stun : TurnKind::unknown, 0, data, len};
}

size_t channel_frame_len(const uint8_t* data, size_t len) {
  if (len < CHANNEL_HEADER_BYTES) return 0;
  const size_t body = load_be16(data + 2);
  const size_t frame = (data[0] & 0xC0) == 0x40 ? CHANNEL_HEADER_BYTES + body + padding_of(body) : HEADER_BYTES + body;
  return frame <= len ? frame : 0;
}

bool parse_send_indication(const uint8_t* data, size_t len, SendIndication& indication) {
  bool has_peer = false;
  indication = SendIndication();
  for (size_t at = HEADER_BYTES; at + 4 <= len;) {
    const uint16_t type = load_be16(data + at);
    const size_t value_len = load_be16(data + at + 2);
    const uint8_t* value = data + at + 4;
    if (value_len > len - at - 4) return false;
    at += 4 + value_len + padding_of(value_len);
    if (type == XOR_PEER_ADDRESS) {
      if (!has_peer && !parse_peer(value, value_len, data + 4, indication.peer)) return false;
      has_peer = true;
    } else if (type == DATA) {
      if (indication.data != nullptr) continue;
      indication.data = value;
      indication.len = value_len;
    } else if (type == DONT_FRAGMENT) {
      indication.dont_fragment = true;
    } else if (type < COMPREHENSION_OPTIONAL && type != MESSAGE_INTEGRITY && type != MESSAGE_INTEGRITY_SHA256) {
      return false;
    }
  }
  return has_peer && indication.data != nullptr;
}

size_t write_data_indication_header(uint8_t* to, const UdpAddress& peer, size_t data_len, const uint8_t transaction_id[12]) {
  const size_t address_len = peer.is_v6() ? 16 : 4;
  const size_t header_len = HEADER_BYTES + 4 + 4 + address_len + 4;
  store_be16(to, DATA_INDICATION);
  store_be16(to + 2, static_cast<uint16_t>(header_len - HEADER_BYTES + data_len + padding_of(data_len)));
  store_be32(to + 4, MAGIC_COOKIE);
  std::memcpy(to + 8, transaction_id, 12);
  uint8_t* at = to + HEADER_BYTES;
  store_be16(at, XOR_PEER_ADDRESS);
  store_be16(at + 2, static_cast<uint16_t>(4 + address_len));
  at[4] = 0;
  at[5] = peer.is_v6() ? FAMILY_V6 : FAMILY_V4;
  store_be16(at + 6, static_cast<uint16_t>(__builtin_bswap16(peer.v4.sin_port) ^ load_be16(to + 4)));
  const void* address = peer.is_v6() ? static_cast<const void*>(&peer.v6.sin6_addr) : &peer.v4.sin_addr;
  apply_mask(at + 8, static_cast<const uint8_t*>(address), address_len, to + 4);
  at += 8 + address_len;
  store_be16(at, DATA);
  store_be16(at + 2, static_cast<uint16_t>(data_len));
  return header_len;
}

}  // namespace asterism
