#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <vector>

#include "base/bytes.h"
#include "packet/checksum.h"
#include "packet/coalesce.h"
#include "packet/ip.h"
#include "packet/split.h"
#include "packets.h"
#include "random.h"

using namespace asterism;
using namespace asterism::test;

namespace {

uint16_t naive_checksum(const uint8_t* data, size_t len) {
  uint64_t sum = 0;
  for (size_t i = 0; i < len; i++) sum += uint64_t{data[i]} << (i % 2 == 0 ? 8 : 0);
  while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

struct Written {
  VnetHeader vnet;
  Bytes packet;
};

/** Keeps what the coalescer writes. */
struct Recorder final : PacketSink {
  void write_packet(uint8_t* frame, size_t len) override {
    written.push_back({load_raw<VnetHeader>(frame), Bytes(frame + sizeof(VnetHeader), frame + len)});
  }
  std::vector<Written> written;
};

void feed(Coalescer& coalescer, const Bytes& packet) {
  uint8_t* place = coalescer.place(packet.size());
  // What AEAD does with the headroom: change it, then put it back.
  uint8_t saved[64];
  std::memcpy(saved, place - 64, 64);
  std::memset(place - 64, 0xEE, 64);
  std::memcpy(place, packet.data(), packet.size());
  std::memcpy(place - 64, saved, 64);
  coalescer.commit(packet.size());
}

std::vector<Bytes> split(const VnetHeader& vnet, const Bytes& packet) {
  Bytes room(256 + packet.size() + 64);
  std::memcpy(room.data() + 256, packet.data(), packet.size());
  Splitter splitter;
  std::vector<Bytes> parts;
  if (!splitter.start(vnet, room.data() + 256, packet.size())) return parts;
  for (size_t i = 0; i < splitter.count(); i++) {
    const Splitter::Packet part = splitter.next();
    parts.emplace_back(part.data, part.data + part.len);
  }
  return parts;
}

std::vector<Bytes> split_all(const std::vector<Written>& written) {
  std::vector<Bytes> packets;
  for (const Written& entry : written) {
    const auto parts = split(entry.vnet, entry.packet);
    REQUIRE_FALSE(parts.empty());
    packets.insert(packets.end(), parts.begin(), parts.end());
  }
  return packets;
}

}  // namespace

TEST_CASE("the checksum agrees with the definition at every length and alignment") {
  Random random(3);
  Bytes data(4096);
  for (uint8_t& byte : data) byte = static_cast<uint8_t>(random.next());
  for (size_t len = 0; len < 300; len++) {
    const size_t offset = random.below(64);
    REQUIRE(__builtin_bswap16(checksum_fold(checksum_sum(data.data() + offset, len))) == naive_checksum(data.data() + offset, len));
  }
  std::fill(data.begin(), data.end(), 0xFF);
  CHECK(checksum_fold(checksum_sum(data.data(), data.size())) == 0xFFFF);
}

TEST_CASE("a TCP super-packet splits into correct packets") {
  for (const bool v6 : {false, true}) {
    PacketSpec spec{.v6 = v6, .payload = 5 * 1000 + 321, .sequence = 0xFFFFFF00, .flags = TCP_ACK | TCP_PSH | TCP_FIN | TCP_CWR,
                    .id = 0xFFFE};
    const Bytes super = make_packet(spec);
    const VnetHeader vnet = segmented(super, spec, 1000);
    const auto parts = split(vnet, super);
    REQUIRE(parts.size() == 6);
    for (size_t i = 0; i < parts.size(); i++) {
      const size_t l4 = v6 ? 40 : 20;
      CHECK(checksums_valid(parts[i]));
      CHECK(load_be32(parts[i].data() + l4 + 4) == static_cast<uint32_t>(0xFFFFFF00 + i * 1000));
      const uint8_t flags = parts[i][l4 + 13];
      CHECK(((flags & TCP_CWR) != 0) == (i == 0));
      CHECK(((flags & (TCP_PSH | TCP_FIN)) != 0) == (i == 5));
      if (!v6) CHECK(load_be16(parts[i].data() + 4) == static_cast<uint16_t>(0xFFFE + i));
      CHECK(parts[i].size() == l4 + 32 + (i == 5 ? 321 : 1000));
    }
  }
}

TEST_CASE("a UDP super-packet splits into correct packets") {
  for (const bool v6 : {false, true}) {
    PacketSpec spec{.v6 = v6, .protocol = PROTOCOL_UDP, .payload = 3 * 500 + 1};
    const Bytes super = make_packet(spec);
    const auto parts = split(segmented(super, spec, 500), super);
    REQUIRE(parts.size() == 4);
    for (const Bytes& part : parts) CHECK(checksums_valid(part));
    CHECK(load_be16(parts[3].data() + (v6 ? 40 : 20) + 4) == 9);
  }
}

TEST_CASE("a checksum left to the hardware is completed") {
  for (const bool v6 : {false, true}) {
    for (const uint8_t protocol : {PROTOCOL_TCP, PROTOCOL_UDP}) {
      PacketSpec spec{.v6 = v6, .protocol = protocol, .payload = 77};
      Bytes packet = make_packet(spec);
      VnetHeader vnet = segmented(packet, spec, 0);
      vnet.gso_type = VNET_GSO_NONE;
      put_partial_checksum(packet, spec);
      const auto parts = split(vnet, packet);
      REQUIRE(parts.size() == 1);
      CHECK(checksums_valid(parts[0]));
    }
  }
}

TEST_CASE("headers that contradict the packet are refused") {
  PacketSpec spec{.payload = 3000};
  const Bytes packet = make_packet(spec);
  const VnetHeader good = segmented(packet, spec, 1000);
  const auto refused = [&](auto change) {
    VnetHeader vnet = good;
    change(vnet);
    return split(vnet, packet).empty();
  };
  CHECK(refused([](VnetHeader& vnet) { vnet.gso_size = 0; }));
  CHECK(refused([](VnetHeader& vnet) { vnet.gso_type = VNET_GSO_TCPV6; }));
  CHECK(refused([](VnetHeader& vnet) { vnet.gso_type = 77; }));
  CHECK(refused([](VnetHeader& vnet) { vnet.csum_start = 3050; }));
  CHECK(refused([](VnetHeader& vnet) { vnet.csum_start = 4; }));
  CHECK_FALSE(refused([](VnetHeader& vnet) { vnet.gso_type |= VNET_GSO_ECN; }));
  CHECK_FALSE(refused([](VnetHeader& vnet) { vnet.hdr_len = 9999; }));
}

TEST_CASE("packets of one flow become one super-packet and come apart again unchanged") {
  for (const bool v6 : {false, true}) {
    for (const uint8_t protocol : {PROTOCOL_TCP, PROTOCOL_UDP}) {
      PacketSpec spec{.v6 = v6, .protocol = protocol, .payload = 1000, .id = 65530};
      std::vector<Bytes> packets;
      for (int i = 0; i < 20; i++) {
        if (i == 19) spec.payload = 300;
        spec.flags = i == 19 ? TCP_ACK | TCP_PSH : TCP_ACK;
        packets.push_back(make_packet(spec));
        spec.sequence += 1000;
        spec.id++;
      }
      Recorder recorder;
      Coalescer coalescer(recorder, true);
      for (const Bytes& packet : packets) feed(coalescer, packet);
      coalescer.flush();
      REQUIRE(recorder.written.size() == 1);
      CHECK(recorder.written[0].vnet.gso_size == 1000);
      CHECK(recorder.written[0].vnet.flags == VNET_NEEDS_CSUM);
      CHECK(split_all(recorder.written) == packets);
    }
  }
}

TEST_CASE("a packet with a wrong checksum is passed on as it is, never healed") {
  PacketSpec spec{.payload = 500};
  std::vector<Bytes> packets;
  for (int i = 0; i < 3; i++) {
    packets.push_back(make_packet(spec));
    spec.sequence += 500;
    spec.id++;
  }
  packets[1].back() ^= 1;
  Recorder recorder;
  Coalescer coalescer(recorder, true);
  for (const Bytes& packet : packets) feed(coalescer, packet);
  coalescer.flush();
  REQUIRE(recorder.written.size() == 3);
  for (size_t i = 0; i < 3; i++) {
    CHECK(recorder.written[i].packet == packets[i]);
    CHECK(recorder.written[i].vnet.flags == 0);
  }
}

TEST_CASE("what differs in a way that matters is not joined") {
  const PacketSpec first{.payload = 500};
  PacketSpec next = first;
  next.sequence += 500;
  next.id++;
  const auto joined = [&](PacketSpec second) {
    Recorder recorder;
    Coalescer coalescer(recorder, true);
    feed(coalescer, make_packet(first));
    feed(coalescer, make_packet(second));
    coalescer.flush();
    return recorder.written.size() == 1;
  };
  CHECK(joined(next));
  const auto changed = [&](auto change) {
    PacketSpec second = next;
    change(second);
    return joined(second);
  };
  CHECK_FALSE(changed([](PacketSpec& spec) { spec.sequence++; }));
  CHECK_FALSE(changed([](PacketSpec& spec) { spec.acknowledgement++; }));
  CHECK_FALSE(changed([](PacketSpec& spec) { spec.window++; }));
  CHECK_FALSE(changed([](PacketSpec& spec) { spec.timestamp++; }));
  CHECK_FALSE(changed([](PacketSpec& spec) { spec.ttl++; }));
  CHECK_FALSE(changed([](PacketSpec& spec) { spec.tos = 3; }));
  CHECK_FALSE(changed([](PacketSpec& spec) { spec.flags = TCP_ACK | TCP_FIN; }));
  CHECK_FALSE(changed([](PacketSpec& spec) { spec.flags = TCP_ACK | 0x40; }));
  CHECK_FALSE(changed([](PacketSpec& spec) { spec.payload = 501; }));
  CHECK_FALSE(changed([](PacketSpec& spec) { spec.payload = 0; }));
  CHECK_FALSE(changed([](PacketSpec& spec) { spec.source_port++; }));
  CHECK_FALSE(changed([](PacketSpec& spec) { spec.id += 5; }));
  CHECK(changed([](PacketSpec& spec) { spec.payload = 499; }));
}

TEST_CASE("without USO in the host UDP is left alone") {
  Recorder recorder;
  Coalescer coalescer(recorder, false);
  for (int i = 0; i < 3; i++) feed(coalescer, make_packet({.protocol = PROTOCOL_UDP, .payload = 100}));
  coalescer.flush();
  CHECK(recorder.written.size() == 3);
}

TEST_CASE("any mix of flows arrives complete, each flow in order") {
  for (uint64_t seed = 1; seed <= 40; seed++) {
    Random random(seed);
    struct Flow {
      PacketSpec spec;
      std::vector<Bytes> sent;
    };
    std::vector<Flow> flows(1 + random.below(14));
    for (size_t i = 0; i < flows.size(); i++) {
      flows[i].spec.v6 = random.chance(40);
      flows[i].spec.protocol = random.chance(60) ? PROTOCOL_TCP : random.chance(70) ? PROTOCOL_UDP : PROTOCOL_ICMP;
      flows[i].spec.source_port = static_cast<uint16_t>(1000 + i);
    }
    Recorder recorder;
    Coalescer coalescer(recorder, true);
    size_t current = 0;
    for (int step = 0; step < 600; step++) {
      if (random.chance(25)) current = random.below(flows.size());
      PacketSpec& spec = flows[current].spec;
      const size_t sizes[] = {1200, 1200, 1200, 1200, 1200, 64, 0, 900};
      spec.payload = sizes[random.below(8)];
      spec.flags = random.chance(8) ? TCP_ACK | TCP_PSH : random.chance(3) ? TCP_ACK | TCP_FIN : TCP_ACK;
      if (random.chance(3)) spec.sequence += 99;
      Bytes packet = make_packet(spec);
      if (random.chance(3)) packet[packet.size() - 1] ^= 0x10;
      flows[current].sent.push_back(packet);
      spec.sequence += static_cast<uint32_t>(spec.payload);
      spec.id++;
      if (random.chance(5)) {
        uint8_t* place = coalescer.place(packet.size());
        std::memset(place, 0x66, packet.size());
        coalescer.abandon();
      }
      feed(coalescer, packet);
      if (random.chance(4)) coalescer.flush();
    }
    coalescer.flush();
    std::map<std::pair<bool, uint16_t>, std::vector<Bytes>> arrived;
    for (const Bytes& packet : split_all(recorder.written)) {
      const bool v6 = packet[0] >> 4 == 6;
      arrived[{v6, load_be16(packet.data() + (v6 ? 40 : 20))}].push_back(packet);
    }
    for (const Flow& flow : flows) {
      const auto& got = arrived[{flow.spec.v6, flow.spec.source_port}];
      REQUIRE(got.size() == flow.sent.size());
      REQUIRE(got == flow.sent);
    }
  }
}

TEST_CASE("IP packet lengths are read from the header and never beyond the data") {
  Bytes packet = make_packet({.payload = 40});
  CHECK(ip_packet_len(packet.data(), packet.size() + 8) == packet.size());
  CHECK(ip_packet_len(packet.data(), packet.size() - 1) == 0);
  CHECK(ip_packet_len(packet.data(), 19) == 0);
  packet[0] = 0x42;
  CHECK(ip_packet_len(packet.data(), packet.size()) == 0);
  packet[0] = 0x55;
  CHECK(ip_packet_len(packet.data(), packet.size()) == 0);
  const Bytes v6 = make_packet({.v6 = true, .payload = 40});
  CHECK(ip_packet_len(v6.data(), v6.size()) == v6.size());
  CHECK(ip_packet_len(v6.data(), 39) == 0);
}

TEST_CASE("echo replies are known by identifier") {
  Bytes reply = make_packet({.protocol = PROTOCOL_ICMP, .payload = 16});
  reply[20] = 0;
  store_be16(reply.data() + 24, 0xA57E);
  CHECK(is_echo_reply(reply.data(), reply.size(), 0xA57E));
  CHECK_FALSE(is_echo_reply(reply.data(), reply.size(), 0xA57F));
  reply[20] = 8;
  CHECK_FALSE(is_echo_reply(reply.data(), reply.size(), 0xA57E));
  reply[20] = 0;
  reply[7] = 1;  // a later fragment has no ICMP header
  CHECK_FALSE(is_echo_reply(reply.data(), reply.size(), 0xA57E));
}
