// What becomes of an inner packet that is too large for the path: its sender is told (ICMP), or it is fragmented as
// its sender or a router might have done. Either way the datagrams on the path stay in one piece, so paths on which
// large packets and fragments vanish carry everything.
#pragma once

#include <cstddef>
#include <cstdint>

namespace asterism {

/** What IPv6 asks of every link (RFC 8200 §5): no sender of IPv6 makes its packets smaller than this. */
constexpr size_t MIN_IPV6_MTU = 1280;

/**
 * True if the sender of this packet (which has passed ip_packet_len) must send smaller ones: IPv4 with "don't fragment",
 * IPv6 beyond its least MTU. Others may be fragmented.
 */
bool must_be_reported(const uint8_t* packet, size_t len);

/**
 * True if it may be fragmented although its sender has been told: the sender could have done so itself, and Linux does
 * not always find what it was told for a socket without a source address. TCP sends again, in smaller packets.
 */
bool may_be_fragmented(const uint8_t* packet);

/** Largest packet that `write_too_big` writes. */
constexpr size_t MAX_TOO_BIG_BYTES = 1280;

/**
 * Writes "fragmentation needed" (RFC 792, RFC 1191) or "packet too big" (RFC 4443 §3.2), as if the packet's destination
 * had sent it. Returns its length; 0 if there must not be one (RFC 1122 §3.2.2, RFC 4443 §2.4).
 */
size_t write_too_big(uint8_t* out, const uint8_t* packet, size_t len, size_t mtu);

/** Cuts a packet into fragments of at most `limit` bytes (RFC 791 §3.2, RFC 8200 §4.5), also one that is a fragment. */
class Fragmenter {
 public:
  /** `id`: identification of an IPv6 packet that has none yet. False if the packet can't be cut. */
  bool start(const uint8_t* packet, size_t len, size_t limit, uint32_t id);
  /** Writes the next fragment to `out`, which has room for `limit` bytes. Returns its length; 0 when there is none. */
  size_t next(uint8_t* out);

 private:
  size_t write_v4_header(uint8_t* out, size_t payload, bool last) const;
  size_t write_v6_header(uint8_t* out, size_t payload, bool last) const;

  const uint8_t* packet_ = nullptr;
  /** Where the payload to be cut begins and ends. */
  size_t begin_ = 0;
  size_t len_ = 0;
  size_t at_ = 0;
  /** Payload of each fragment but the last. */
  size_t piece_ = 0;
  // Of the packet as a whole, or of the fragment that it is.
  size_t offset_ = 0;
  bool more_ = false;
  uint32_t id_ = 0;
  uint8_t next_header_ = 0;
};

}  // namespace asterism
