#include "packet/mss_clamp.h"

#include "base/bytes.h"
#include "packet/checksum.h"
#include "packet/ip.h"

namespace asterism {
namespace {

constexpr size_t IPV6_HEADER_BYTES = 40;
constexpr size_t TCP_HEADER_BYTES = 20;
constexpr size_t CHECKSUM_OFFSET = 16;
constexpr uint8_t TCP_SYN = 0x02;
constexpr uint8_t OPTION_END = 0;
constexpr uint8_t OPTION_NOTHING = 1;
constexpr uint8_t OPTION_MSS = 2;
constexpr uint8_t OPTION_MSS_BYTES = 4;
/** Nobody can be asked for less (RFC 791 §3.2: 68 bytes pass everywhere). */
constexpr size_t MIN_MSS = 28;

/** Where the TCP header begins; 0 if there is none, or only a part of it. */
size_t tcp_offset(const uint8_t* packet) {
  if (packet[0] >> 4 == 6) return packet[6] == PROTOCOL_TCP ? IPV6_HEADER_BYTES : 0;
  const bool fragment = (load_be16(packet + 6) & 0x3FFF) != 0;
  return packet[9] == PROTOCOL_TCP && !fragment ? (packet[0] & 0x0F) * size_t{4} : 0;
}

/** The value of the option, null if there is none. */
uint8_t* find_mss(uint8_t* options, uint8_t* end) {
  for (uint8_t* at = options; at < end && *at != OPTION_END;) {
    if (*at == OPTION_NOTHING) {
      at++;
      continue;
    }
    if (end - at < 2 || at[1] < 2 || at[1] > end - at) return nullptr;
    if (*at == OPTION_MSS) return at[1] == OPTION_MSS_BYTES ? at + 2 : nullptr;
    at += at[1];
  }
  return nullptr;
}

/** Puts the sum right after 16 bits of what it covers have changed (RFC 1624). `odd`: they begin at an odd offset. */
void adjust_checksum(uint8_t* checksum, uint16_t before, uint16_t after, bool odd) {
  const auto in_place = [odd](uint16_t value) {
    return static_cast<uint16_t>(odd ? value << 8 | value >> 8 : value);
  };
  const uint64_t sum = uint64_t{static_cast<uint16_t>(~load_be16(checksum))} +
                       static_cast<uint16_t>(~in_place(before)) + in_place(after);
  store_be16(checksum, static_cast<uint16_t>(~checksum_fold(sum)));
}

}  // namespace

void clamp_mss(uint8_t* packet, size_t len, size_t mtu) {
  const size_t offset = tcp_offset(packet);
  if (offset == 0 || len < offset + TCP_HEADER_BYTES) return;
  uint8_t* tcp = packet + offset;
  const size_t header = (tcp[12] >> 4) * size_t{4};
  if ((tcp[13] & TCP_SYN) == 0 || header < TCP_HEADER_BYTES || offset + header > len) return;
  // IP options and TCP options count as payload here: whoever sends them leaves room for them (RFC 6691).
  const size_t headers = (packet[0] >> 4 == 6 ? IPV6_HEADER_BYTES : size_t{20}) + TCP_HEADER_BYTES;
  if (mtu >= 0xFFFF || mtu < headers + MIN_MSS) return;
  const auto limit = static_cast<uint16_t>(mtu - headers);
  uint8_t* mss = find_mss(tcp + TCP_HEADER_BYTES, tcp + header);
  if (mss == nullptr) return;
  const uint16_t announced = load_be16(mss);
  if (announced <= limit) return;
  store_be16(mss, limit);
  adjust_checksum(tcp + CHECKSUM_OFFSET, announced, limit, (mss - tcp) % 2 != 0);
}

}  // namespace asterism
