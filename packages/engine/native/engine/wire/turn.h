// What a TURN client sends to its relay, and the Data indication that the relay sends back (RFC 8656).
//
//   0x40–0x7F                      ChannelData: number (2), length (2), data; 0x50–0x7F by RFC 5766 clients
//   0x00–0x3F with 0x2112A442      STUN; type 0x0016 is a Send indication
//   0x0001 without the cookie      Binding request of RFC 3489
#pragma once

#include <cstddef>
#include <cstdint>

#include "tables/path.h"

namespace asterism {

enum class TurnKind : uint8_t {
  channel_data,
  send_indication,
  stun,
  classic_stun,  // RFC 3489
  malformed,     // right first bytes, wrong length
  unknown,
};

struct TurnDatagram {
  TurnKind kind = TurnKind::unknown;
  /** channel_data: its number and payload; else the whole datagram. */
  uint16_t channel = 0;
  const uint8_t* data = nullptr;
  size_t len = 0;
};

/** Never reads outside [data, data + len). Bytes behind ChannelData are its padding if there are up to three. */
TurnDatagram classify_turn(const uint8_t* data, size_t len);

/** Bytes of the frame that a TURN stream begins with, padding included; 0 if they are not all there. */
size_t channel_frame_len(const uint8_t* data, size_t len);

struct SendIndication {
  UdpAddress peer;
  const uint8_t* data = nullptr;
  size_t len = 0;
  bool dont_fragment = false;
};

/** Reads a datagram of kind `send_indication`. False if it lacks something or must not be acted on. */
bool parse_send_indication(const uint8_t* data, size_t len, SendIndication& indication);

/** Largest header of a Data indication: 20 bytes, XOR-PEER-ADDRESS of IPv6, header of DATA. */
constexpr size_t DATA_INDICATION_MAX_HEADER_BYTES = 20 + 24 + 4;

/** Writes all of a Data indication but its data (and that one's padding to 4 bytes); gives the bytes written. */
size_t write_data_indication_header(uint8_t* to, const UdpAddress& peer, size_t data_len, const uint8_t transaction_id[12]);

inline size_t padding_of(size_t len) { return (4 - len % 4) % 4; }

}  // namespace asterism
