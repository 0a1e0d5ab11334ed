#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "packet/checksum.h"
#include "packet/ip.h"
#include "packet/oversize.h"
#include "packets.h"

using namespace asterism;
using namespace asterism::test;

namespace {

std::vector<Bytes> fragments_of(const Bytes& packet, size_t limit, uint32_t id = 77) {
  Fragmenter fragmenter;
  std::vector<Bytes> fragments;
  if (!fragmenter.start(packet.data(), packet.size(), limit, id)) return fragments;
  Bytes out(limit);
  for (size_t len = fragmenter.next(out.data()); len != 0; len = fragmenter.next(out.data())) {
    REQUIRE(len <= limit);
    REQUIRE(ip_packet_len(out.data(), len) == len);
    fragments.emplace_back(out.begin(), out.begin() + static_cast<ptrdiff_t>(len));
  }
  return fragments;
}

/** Puts the payload behind the IP header together again, as a host does. */
Bytes reassembled(const std::vector<Bytes>& fragments) {
  Bytes payload;
  size_t end = 0;
  for (const Bytes& fragment : fragments) {
    const bool v4 = fragment[0] >> 4 == 4;
    const uint16_t field = load_be16(fragment.data() + (v4 ? 6 : 42));
    const size_t offset = v4 ? (field & 0x1FFFu) * 8 : field & 0xFFF8u;
    const bool more = v4 ? (field & 0x2000) != 0 : (field & 1) != 0;
    const size_t header = v4 ? 20 : 48;
    const size_t part = fragment.size() - header;
    if (payload.size() < offset + part) payload.resize(offset + part);
    std::memcpy(payload.data() + offset, fragment.data() + header, part);
    if (more) CHECK(part % 8 == 0);
    if (!more) end = offset + part;
  }
  CHECK(payload.size() == end);
  return payload;
}

}  // namespace

TEST_CASE("fragments put together are the packet, whatever the sizes, also of fragments") {
  for (const bool v6 : {false, true}) {
    const size_t header = v6 ? 40 : 20;
    for (const size_t payload : {9u, 100u, 1211u, 1400u, 8000u}) {
      const Bytes packet = make_packet({.v6 = v6, .protocol = PROTOCOL_UDP, .payload = payload, .id = 4711});
      for (const size_t limit : {68u, 500u, 1220u, 1221u}) {
        const std::vector<Bytes> fragments = fragments_of(packet, limit);
        CHECK(reassembled(fragments) == Bytes(packet.begin() + static_cast<ptrdiff_t>(header), packet.end()));
        std::vector<Bytes> again;
        for (const Bytes& fragment : fragments) {
          const std::vector<Bytes> parts = fragments_of(fragment, 200, 99);
          again.insert(again.end(), parts.begin(), parts.end());
        }
        CHECK(reassembled(again) == reassembled(fragments));
        for (const Bytes& fragment : again) {
          if (v6) CHECK(load_be32(fragment.data() + 44) == 77);
          if (!v6) CHECK(load_be16(fragment.data() + 4) == 4711);
          CHECK((v6 ? fragment[40] : fragment[9]) == PROTOCOL_UDP);
        }
      }
    }
  }
}

TEST_CASE("packets that no host may cut are told apart") {
  const Bytes v4 = make_packet({.payload = 1300});
  const Bytes v4_df = make_packet({.payload = 1300, .dont_fragment = true});
  const Bytes small = make_packet({.v6 = true, .payload = 1000});
  const Bytes large_tcp = make_packet({.v6 = true, .payload = 1300});
  const Bytes large_udp = make_packet({.v6 = true, .protocol = PROTOCOL_UDP, .payload = 1300});
  CHECK_FALSE(must_be_reported(v4.data(), v4.size()));
  CHECK(must_be_reported(v4_df.data(), v4_df.size()));
  CHECK_FALSE(must_be_reported(small.data(), small.size()));
  CHECK(must_be_reported(large_tcp.data(), large_tcp.size()));
  CHECK(may_be_fragmented(v4.data()));
  CHECK_FALSE(may_be_fragmented(v4_df.data()));
  CHECK_FALSE(may_be_fragmented(large_tcp.data()));
  CHECK(may_be_fragmented(large_udp.data()));
  Bytes hop_by_hop = small;
  hop_by_hop[6] = 0;
  CHECK(fragments_of(hop_by_hop, 600).empty());
}

TEST_CASE("reports come from the destination, quote the packet and name the size") {
  uint8_t out[MAX_TOO_BIG_BYTES];
  for (const bool v6 : {false, true}) {
    const Bytes packet = make_packet({.v6 = v6, .payload = 1340, .dont_fragment = true});
    const size_t len = write_too_big(out, packet.data(), packet.size(), 1300);
    const Bytes report(out, out + len);
    REQUIRE(ip_packet_len(out, len) == len);
    // Only ICMPv6 sums over a pseudo-header.
    if (v6) CHECK(checksums_valid(report));
    if (!v6) CHECK(checksum_fold(checksum_sum(out, 20)) == 0xFFFF);
    if (!v6) CHECK(checksum_fold(checksum_sum(out + 20, len - 20)) == 0xFFFF);
    const size_t address = v6 ? 16 : 4;
    CHECK(std::memcmp(ip_source(out), ip_destination(packet.data()), address) == 0);
    CHECK(std::memcmp(ip_destination(out), ip_source(packet.data()), address) == 0);
    const uint8_t* icmp = out + (v6 ? 40 : 20);
    CHECK(icmp[0] == (v6 ? 2 : 3));
    CHECK(icmp[1] == (v6 ? 0 : 4));
    CHECK((v6 ? load_be32(icmp + 4) : load_be16(icmp + 6)) == 1300);
    CHECK(std::memcmp(icmp + 8, packet.data(), len - (v6 ? 48 : 28)) == 0);
    CHECK(len <= (v6 ? 1280u : 576u));
  }
}

TEST_CASE("IPv6 is never told less than its least MTU") {
  uint8_t out[MAX_TOO_BIG_BYTES];
  const Bytes packet = make_packet({.v6 = true, .payload = 1340});
  write_too_big(out, packet.data(), packet.size(), 1220);
  CHECK(load_be32(out + 44) == 1280);
}

TEST_CASE("errors, later fragments and what comes from nobody are not reported") {
  uint8_t out[MAX_TOO_BIG_BYTES];
  const auto reported = [&](const Bytes& packet) { return write_too_big(out, packet.data(), packet.size(), 1220) != 0; };
  Bytes v4 = make_packet({.payload = 1340, .dont_fragment = true});
  CHECK(reported(v4));
  Bytes changed = v4;
  store_be16(changed.data() + 6, 0x4001);
  CHECK_FALSE(reported(changed));
  for (const uint8_t first : {uint8_t{0}, uint8_t{224}, uint8_t{255}}) {
    changed = v4;
    changed[12] = first;
    CHECK_FALSE(reported(changed));
  }
  for (const uint8_t type : {uint8_t{3}, uint8_t{11}}) {
    changed = v4;
    changed[9] = PROTOCOL_ICMP;
    changed[20] = type;
    CHECK_FALSE(reported(changed));
  }
  changed[20] = 8;
  CHECK(reported(changed));
  Bytes v6 = make_packet({.v6 = true, .payload = 1340});
  CHECK(reported(v6));
  changed = v6;
  std::fill_n(changed.begin() + 8, 16, uint8_t{0});
  CHECK_FALSE(reported(changed));
  changed = v6;
  changed[8] = 0xFF;
  CHECK_FALSE(reported(changed));
  changed = v6;
  changed[6] = PROTOCOL_ICMPV6;
  changed[40] = 1;
  CHECK_FALSE(reported(changed));
}
