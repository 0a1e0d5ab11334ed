// What a UDP datagram is, by its first bytes (as RFC 7983 tells protocols on one port apart).
//
//   0x01–0x04 00 00 00             WireGuard messages 1–4
//   0x00, 0x01 with 0x2112A442     STUN (RFC 8489 §5)
//   0x40–0x4F                      TURN ChannelData (RFC 8656 §12.4): 4 bytes, then one of the above
#pragma once

#include <cstddef>
#include <cstdint>

namespace asterism {

enum class DatagramKind : uint8_t {
  transport,        // WireGuard type 4
  handshake,        // WireGuard type 1 or 2: has a mac1
  cookie_reply,     // WireGuard type 3
  stun,
  malformed,        // right first bytes, wrong length
  unknown,
};

struct Datagram {
  DatagramKind kind;
  /** TURN channel the datagram came through, 0 for none. */
  uint16_t channel;
  uint8_t* data;
  size_t len;
};

constexpr size_t TRANSPORT_HEADER_BYTES = 16;
constexpr size_t TRANSPORT_OVERHEAD_BYTES = 32;
constexpr size_t CHANNEL_HEADER_BYTES = 4;
constexpr uint8_t MESSAGE_TRANSPORT = 4;

/** Never reads outside [data, data + len). */
Datagram demultiplex(uint8_t* data, size_t len);

}  // namespace asterism
