#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "packet/mss_clamp.h"
#include "packets.h"
#include "random.h"

using namespace asterism;
using namespace asterism::test;

namespace {

constexpr uint8_t TCP_SYN = 0x02;

/** A SYN with these 12 bytes of options, and right checksums. */
Bytes syn(bool v6, const Bytes& options, uint8_t flags = TCP_SYN) {
  const PacketSpec spec{.v6 = v6, .payload = 0, .flags = flags};
  Bytes packet = make_packet(spec);
  const size_t tcp = v6 ? 40 : 20;
  std::memcpy(packet.data() + tcp + 20, options.data(), options.size());
  // By the definition: the sum over everything with the field left out.
  packet[tcp + 16] = packet[tcp + 17] = 0;
  const size_t l4_len = packet.size() - tcp;
  uint32_t sum = PROTOCOL_TCP + static_cast<uint32_t>(l4_len);
  const auto add = [&sum](const uint8_t* data, size_t len) {
    for (size_t i = 0; i < len; i++) sum += uint32_t{data[i]} << (i % 2 == 0 ? 8 : 0);
  };
  add(packet.data() + (v6 ? 8 : 12), v6 ? 32 : 8);
  add(packet.data() + tcp, l4_len);
  while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16);
  store_be16(packet.data() + tcp + 16, static_cast<uint16_t>(~sum));
  REQUIRE(checksums_valid(packet));
  return packet;
}

const Bytes MSS_1460{2, 4, 0x05, 0xB4, 1, 1, 1, 1, 1, 1, 1, 1};
/** Behind an option of three bytes and one of padding, so at an odd place. */
const Bytes MSS_AT_ODD_PLACE{3, 3, 7, 2, 4, 0x05, 0xB4, 1, 1, 1, 1, 1};

uint16_t mss_of(const Bytes& packet, size_t option) { return load_be16(packet.data() + (packet[0] >> 4 == 6 ? 60 : 40) + option); }

}  // namespace

TEST_CASE("the segment size of a SYN is lowered to what fits, with a right checksum") {
  for (const bool v6 : {false, true}) {
    for (const uint8_t flags : {TCP_SYN, static_cast<uint8_t>(TCP_SYN | TCP_ACK)}) {
      for (const size_t mtu : {100u, 576u, 1219u, 1220u, 1280u, 1420u}) {
        Bytes even = syn(v6, MSS_1460, flags);
        Bytes odd = syn(v6, MSS_AT_ODD_PLACE, flags);
        clamp_mss(even.data(), even.size(), mtu);
        clamp_mss(odd.data(), odd.size(), mtu);
        CHECK(mss_of(even, 2) == mtu - (v6 ? 60 : 40));
        CHECK(mss_of(odd, 5) == mtu - (v6 ? 60 : 40));
        CHECK(checksums_valid(even));
        CHECK(checksums_valid(odd));
      }
    }
  }
}

TEST_CASE("everything else stays as it is") {
  const std::vector<Bytes> packets{
      syn(false, MSS_1460, TCP_ACK),                               // no SYN
      syn(false, {1, 1, 1, 1}),                                    // no such option
      syn(false, {0, 2, 4, 0x05, 0xB4}),                           // behind the end of the options
      syn(false, {2, 3, 0x05, 0xB4}),                              // of another length
      syn(false, {8, 0, 2, 4, 0x05, 0xB4}),                        // an option that never ends
      syn(false, {1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 0x05}),         // cut off
      make_packet({.protocol = PROTOCOL_UDP, .payload = 40}),
      make_packet({.v6 = true, .protocol = PROTOCOL_ICMPV6, .payload = 40}),
  };
  for (const Bytes& packet : packets) {
    Bytes after = packet;
    clamp_mss(after.data(), after.size(), 576);
    CHECK(after == packet);
  }
  for (const size_t mtu : {1500u, 65535u, 67u}) {
    Bytes after = syn(false, MSS_1460);
    clamp_mss(after.data(), after.size(), mtu);
    CHECK(after == syn(false, MSS_1460));
  }
  Bytes fragment = syn(false, MSS_1460);
  fragment[6] = 0x20;
  const Bytes before = fragment;
  clamp_mss(fragment.data(), fragment.size(), 576);
  CHECK(fragment == before);
}

TEST_CASE("no packet makes it read or write beyond its end") {
  Random random(4);
  for (int i = 0; i < 20'000; i++) {
    const bool v6 = random.below(2) == 0;
    const Bytes whole = syn(v6, MSS_1460);
    const size_t len = (v6 ? 40 : 20) + random.below(static_cast<uint32_t>(whole.size() - (v6 ? 40 : 20)) + 1);
    Bytes packet(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(len));
    for (size_t at = v6 ? 40 : 20; at < len; at++) {
      if (random.below(3) == 0) packet[at] = static_cast<uint8_t>(random.below(256));
    }
    clamp_mss(packet.data(), packet.size(), random.below(2000));
    CHECK(packet.size() == len);
  }
}
