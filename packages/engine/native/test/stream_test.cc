#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/clock.h"
#include "device_pair.h"
#include "packets.h"
#include "wire/demux.h"
#include "wire/stream_frames.h"

using namespace asterism;
using namespace asterism::test;

namespace {

constexpr uint16_t CHANNEL = 0x4001;

Bytes channel_frame(size_t body, uint8_t fill = 7) {
  Bytes frame(CHANNEL_HEADER_BYTES + (body + 3) / 4 * 4, 0);
  store_be16(frame.data(), CHANNEL);
  store_be16(frame.data() + 2, static_cast<uint16_t>(body));
  std::fill_n(frame.begin() + CHANNEL_HEADER_BYTES, body, fill);
  return frame;
}

Bytes stun_message(size_t attributes = 0) {
  Bytes message(20 + attributes, 0);
  message[1] = 1;
  store_be16(message.data() + 2, static_cast<uint16_t>(attributes));
  store_be32(message.data() + 4, 0x2112A442);
  return message;
}

Bytes joined(const std::vector<Bytes>& parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

UdpAddress relay_address() {
  UdpAddress address;
  REQUIRE(parse_udp_address("192.0.2.1", 3478, address));
  return address;
}

/** Both ends of a pair with a stream link as their only path. */
struct StreamPair {
  DevicePair pair;
  LinkId link_a = 0, link_b = 0;

  explicit StreamPair(unsigned threads = 2) : pair(threads) {
    pair.install(1);
    link_a = open(pair.a);
    link_b = open(pair.b);
  }

  static LinkId open(End& end) {
    LinkId id = 0;
    Failure failure;
    REQUIRE(end.device->open_stream_link(relay_address(), id, failure) == Status::ok);
    PathSpec path{.relayed = true, .weight = 1};
    path.to.link = id;
    path.to.channel = CHANNEL;
    path.to.remote = relay_address();
    std::vector<uint8_t> slots;
    REQUIRE(end.device->set_paths(end.peer, {path}, PathMode::best, slots) == Status::ok);
    return id;
  }

  /** What a has sent into its stream, and has not been taken. */
  Bytes sent_by_a() {
    Bytes all;
    for (const Event& event : pair.a.events) {
      if (event.kind == EventKind::frames) all.insert(all.end(), event.bytes.begin(), event.bytes.end());
    }
    return all;
  }

  Status into_b(const Bytes& bytes) { return pair.b.device->receive_frames(link_b, bytes.data(), bytes.size()); }
};

Bytes agent_packet(uint8_t tag, size_t len = 48) {
  Bytes packet(len, tag);
  packet[0] = 0x0A;
  return packet;
}

bool send_inner(End& from, const Bytes& packet) {
  return from.device->send_inner(from.peer, packet.data(), packet.size()) == Status::ok;
}

}  // namespace

TEST_CASE("a stream is cut into the same frames however it is cut into chunks") {
  const std::vector<Bytes> expected = {stun_message(), channel_frame(5), channel_frame(0), stun_message(8), channel_frame(1400)};
  const Bytes stream = joined(expected);
  for (size_t chunk : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, size_t{100}, stream.size()}) {
    StreamFrames frames;
    std::vector<Bytes> got;
    for (size_t at = 0; at < stream.size(); at += chunk) {
      std::vector<iovec> whole;
      REQUIRE(frames.read(stream.data() + at, std::min(chunk, stream.size() - at), whole));
      for (const iovec& frame : whole) {
        const auto* data = static_cast<const uint8_t*>(frame.iov_base);
        got.emplace_back(data, data + frame.iov_len);
      }
    }
    CHECK(got == expected);
    CHECK(frames.pending_len() == 0);
  }
}

TEST_CASE("a stream is out of step for good where no frame can begin") {
  Bytes no_cookie = stun_message(), odd_length = stun_message(4);
  no_cookie[4] ^= 1;
  odd_length[3] = 3;
  for (const Bytes& bad : {no_cookie, odd_length, Bytes{0x80}, Bytes{0xFF, 0, 0, 0}}) {
    StreamFrames frames;
    std::vector<iovec> whole;
    const Bytes stream = joined({channel_frame(3), bad});
    CHECK(!frames.read(stream.data(), stream.size(), whole));
    CHECK(whole.size() == 1);
    const Bytes good = channel_frame(3);
    whole.clear();
    CHECK(!frames.read(good.data(), good.size(), whole));
    CHECK(whole.empty());
    CHECK(frames.pending_len() == 0);
  }
}

TEST_CASE("packets travel through streams, framed and padded, counted as relayed") {
  if (!can_open_devices()) return;
  for (const unsigned threads : {1u, 2u}) {
    StreamPair test(threads);
    REQUIRE(send_inner(test.pair.a, agent_packet(1)));
    REQUIRE(send_inner(test.pair.a, agent_packet(2, 77)));
    REQUIRE(eventually(test.pair, [&] { return get(test.pair.a.counters().tx_relayed_packets) == 2; }));
    REQUIRE(eventually(test.pair, [&] { return !test.sent_by_a().empty(); }));
    const Bytes stream = test.sent_by_a();
    CHECK(stream.size() % 4 == 0);
    CHECK(load_be16(stream.data()) == CHANNEL);
    // Cut in the middle of a frame.
    REQUIRE(test.into_b({stream.begin(), stream.begin() + 50}) == Status::ok);
    REQUIRE(test.into_b({stream.begin() + 50, stream.end()}) == Status::ok);
    REQUIRE(eventually(test.pair, [&] { return count_events(test.pair.b, EventKind::inner) == 2; }));
    CHECK(get(test.pair.b.counters().rx_relayed_packets) == 2);
    CHECK(count_events(test.pair.b, EventKind::roamed) == 0);
    // What agents tell each other is no traffic that a path would have to be kept for.
    const PeerCounters& a = test.pair.a.counters();
    const PeerCounters& b = test.pair.b.counters();
    CHECK((get(a.last_sent_at) > 0 && get(b.last_received_at) > 0));
    CHECK((get(a.last_data_sent_at) == 0 && get(a.first_unanswered_sent_at) == 0));
    CHECK((get(b.last_data_received_at) == 0 && get(b.first_unacknowledged_received_at) == 0));
  }
}

TEST_CASE("STUN messages go both ways through a stream link, anything else without a channel does not") {
  if (!can_open_devices()) return;
  StreamPair test;
  PathAddress to{.link = test.link_a, .remote = relay_address()};
  const Bytes stun = stun_message(4), handshake(148, 1);
  REQUIRE(test.pair.a.device->send(to, stun.data(), stun.size()) == Status::ok);
  CHECK(test.pair.a.device->send(to, handshake.data(), handshake.size()) == Status::invalid_argument);
  CHECK(test.pair.a.device->send(to, nullptr, 0) == Status::invalid_argument);
  to.channel = CHANNEL;
  REQUIRE(test.pair.a.device->send(to, handshake.data(), 5) == Status::ok);
  REQUIRE(eventually(test.pair, [&] { return test.sent_by_a().size() == stun.size() + 12; }));
  REQUIRE(test.into_b(stun) == Status::ok);
  REQUIRE(eventually(test.pair, [&] { return count_events(test.pair.b, EventKind::datagram) == 1; }));
  const Event& event = test.pair.b.events.back();
  CHECK(event.bytes == stun);
  CHECK(event.from.link == test.link_b);
  CHECK(event.from.remote == relay_address());
}

TEST_CASE("a stream that brings rubbish is refused and harms nothing") {
  if (!can_open_devices()) return;
  StreamPair test;
  CHECK(test.into_b(channel_frame(65535)) == Status::ok);
  CHECK(test.into_b(channel_frame(33, 4)) == Status::ok);
  REQUIRE(eventually(test.pair, [&] {
    return test.pair.b.drops(Drop::malformed_datagram) + test.pair.b.drops(Drop::unknown_datagram) == 2;
  }));
  CHECK(test.into_b(Bytes{0xC0, 1, 2, 3}) == Status::invalid_argument);
  CHECK(test.into_b(channel_frame(1)) == Status::invalid_argument);
  CHECK(test.pair.b.device->receive_frames(test.link_b + 1, nullptr, 0) == Status::unknown_link);
  CHECK(test.pair.b.device->receive_frames(test.pair.b.link->id, nullptr, 0) == Status::unknown_link);
}

TEST_CASE("what nobody takes from a stream link is bounded") {
  if (!can_open_devices()) return;
  StreamPair test;
  for (unsigned i = 0; i < 4000; i++) {
    send_inner(test.pair.a, agent_packet(1, 1200));
    if (i % 64 == 63) usleep(500);
  }
  const auto dropped = [&] { return test.pair.a.drops(Drop::send_buffer_full) + test.pair.a.drops(Drop::inbox_full); };
  const uint64_t deadline = now_ns() + 5 * NS_PER_SECOND;
  while (get(test.pair.a.counters().tx_packets) + dropped() < 4000 && now_ns() < deadline) usleep(500);
  CHECK(test.pair.a.drops(Drop::send_buffer_full) > 0);
  REQUIRE(eventually(test.pair, [&] { return !test.sent_by_a().empty(); }));
  CHECK(test.sent_by_a().size() <= 2 * 1024 * 1024);
}

TEST_CASE("a closed stream link is gone, with its events") {
  if (!can_open_devices()) return;
  StreamPair test;
  REQUIRE(send_inner(test.pair.a, agent_packet(1)));
  REQUIRE(eventually(test.pair, [&] { return !test.sent_by_a().empty(); }));
  REQUIRE(test.pair.a.device->close_link(test.link_a) == Status::ok);
  CHECK(test.pair.a.device->close_link(test.link_a) == Status::unknown_link);
  CHECK(test.pair.a.device->receive_frames(test.link_a, nullptr, 0) == Status::unknown_link);
  REQUIRE(send_inner(test.pair.a, agent_packet(2)));
  REQUIRE(eventually(test.pair, [&] { return test.pair.a.drops(Drop::no_link) == 1; }));
}
