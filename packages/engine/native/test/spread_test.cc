// Two devices that spread their packets over two paths.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "device_pair.h"
#include "multipath/messages.h"
#include "packets.h"

using namespace asterism;
using namespace asterism::test;

namespace {

/** A pair with two links on each side, each with a path of its own. */
struct TwoPaths {
  explicit TwoPaths(unsigned threads, uint16_t channel = 0, unsigned workers = 0)
      : pair(threads, channel, false, workers) {
    Failure failure;
    REQUIRE(pair.a.device->open_link({.ipv4 = "127.0.0.1"}, second_a, failure) == Status::ok);
    REQUIRE(pair.b.device->open_link({.ipv4 = "127.0.0.1"}, second_b, failure) == Status::ok);
    use(PathMode::aggregate);
    pair.install(1);
  }

  void use(PathMode mode) {
    std::vector<uint8_t> slots;
    REQUIRE(pair.a.device->set_paths(pair.a.peer, paths(pair.a, pair.b, second_a, second_b), mode, slots) == Status::ok);
    REQUIRE(pair.b.device->set_paths(pair.b.peer, paths(pair.b, pair.a, second_b, second_a), mode, slots) == Status::ok);
  }

  /** What A sends is limited to so much by either path. */
  void cap_a(double bytes_per_second) {
    std::vector<PathSpec> specs = paths(pair.a, pair.b, second_a, second_b);
    for (PathSpec& spec : specs) spec.cap_bytes_per_second = bytes_per_second;
    std::vector<uint8_t> slots;
    REQUIRE(pair.a.device->set_paths(pair.a.peer, specs, PathMode::aggregate, slots) == Status::ok);
  }

  /** Until A drops what finds no place any more. */
  void fill_a() {
    const uint64_t dropped = pair.a.drops(Drop::paths_full);
    REQUIRE(talk_until([&] { return pair.a.drops(Drop::paths_full) > dropped; }));
  }

  std::vector<PathSpec> paths(const End& from, const End& to, const Link* own, const Link* other) const {
    PathSpec first = pair.path(from, to), second = first;
    second.to.link = own->id;
    REQUIRE(parse_udp_address("127.0.0.1", other->port(), second.to.remote));
    return {first, second};
  }

  /** Both sides send packets of the host to each other until the condition holds. */
  bool talk_until(const std::function<bool()>& condition) {
    return eventually(pair, [&] {
      for (int i = 0; i < 20; i++) send(pair.a, {.protocol = PROTOCOL_UDP, .payload = 1'200});
      send(pair.b, {.protocol = PROTOCOL_UDP, .payload = 300});
      return condition();
    });
  }

  DevicePair pair;
  const Link* second_a = nullptr;
  const Link* second_b = nullptr;

 private:
  static void send(End& from, const PacketSpec& spec) {
    const Bytes packet = make_packet(spec);
    from.device->send_inner(from.peer, packet.data(), packet.size());
  }
};

bool spread(const End& end) {
  const PathCounters* paths = end.counters().paths;
  return get(paths[0].rate) > 0 && get(paths[1].rate) > 0 && get(paths[0].tx_packets) > 100 &&
         get(paths[1].tx_packets) > 100;
}

}  // namespace

TEST_CASE("packets are spread over what the peer reports of, and all arrive") {
  if (!can_open_devices()) return;
  for (const unsigned threads : {1u, 2u}) {
    for (const uint16_t channel : {0, 0x4001}) {
      CAPTURE(threads);
      CAPTURE(channel);
      TwoPaths two(threads, channel, threads == 2 ? 2 : 0);
      REQUIRE(two.talk_until([&] { return spread(two.pair.a); }));
      // What the engines tell each other does not go up, and reports cease with the traffic.
      CHECK(count_events(two.pair.a, EventKind::inner) + count_events(two.pair.b, EventKind::inner) == 0);
      usleep(1'500'000);
      const uint64_t sent = get(two.pair.b.counters().tx_packets);
      usleep(500'000);
      CHECK(get(two.pair.b.counters().tx_packets) == sent);
      CHECK(eventually(two.pair, [&] {
        return get(two.pair.a.counters().tx_packets) == get(two.pair.b.counters().rx_packets);
      }));
      CHECK(two.pair.b.drops(Drop::replayed) == 0);
    }
  }
}

TEST_CASE("sessions, modes and peers change while packets are spread") {
  if (!can_open_devices()) return;
  TwoPaths two(2, 0, 2);
  REQUIRE(two.talk_until([&] { return spread(two.pair.a); }));
  unsigned round = 1;
  for (const PathMode mode : {PathMode::best, PathMode::automatic, PathMode::redundant, PathMode::aggregate}) {
    two.pair.install(++round);
    two.use(mode);
    const uint64_t before = get(two.pair.b.counters().rx_packets);
    CHECK(two.talk_until([&] { return get(two.pair.b.counters().rx_packets) > before + 500; }));
  }
  REQUIRE(two.talk_until([&] { return spread(two.pair.a); }));
  REQUIRE(two.pair.a.device->close_link(two.second_a->id) == Status::ok);
  const uint64_t before = get(two.pair.b.counters().rx_packets);
  CHECK(two.talk_until([&] { return get(two.pair.b.counters().rx_packets) > before + 500; }));
  REQUIRE(two.pair.b.device->remove_peer(two.pair.b.peer) == Status::ok);
  REQUIRE(two.pair.a.device->remove_peer(two.pair.a.peer) == Status::ok);
}

TEST_CASE("a peer whose engine does not answer is sent to by the first path") {
  if (!can_open_devices()) return;
  TwoPaths two(2);
  std::vector<uint8_t> slots;
  // It can't answer: it has no session to send in.
  REQUIRE(two.pair.b.device->remove_session(two.pair.b.peer, 0x20001) == Status::ok);
  CHECK(two.talk_until([&] { return get(two.pair.a.counters().paths[0].tx_packets) > 1'000; }));
  CHECK(get(two.pair.a.counters().paths[1].tx_packets) < 60);
  CHECK(get(two.pair.a.counters().paths[0].rate) == 0);
}

TEST_CASE("packets that wait for their turn go with what they wait for") {
  if (!can_open_devices()) return;
  TwoPaths two(2);
  End &a = two.pair.a, &b = two.pair.b;
  REQUIRE(two.talk_until([&] { return spread(a); }));
  two.cap_a(20'000);
  two.fill_a();
  SUBCASE("a new mode sends them by the one path that is left") {
    two.use(PathMode::best);
    CHECK(eventually(two.pair, [&] { return get(a.counters().tx_packets) == get(b.counters().rx_packets); }));
    CHECK(a.drops(Drop::staging_dropped) == 0);
  }
  SUBCASE("without a session they stay until they are told to go") {
    REQUIRE(a.device->remove_session(a.peer, 0x10001) == Status::ok);
    usleep(50'000);
    const uint64_t sent = get(a.counters().tx_packets);
    usleep(100'000);
    CHECK(get(a.counters().tx_packets) == sent);
    REQUIRE(a.device->drop_staged(a.peer) == Status::ok);
    CHECK(eventually(two.pair, [&] { return a.drops(Drop::staging_dropped) > 50; }));
    two.pair.install(2);
    CHECK(two.talk_until([&] { return get(a.counters().tx_packets) > sent; }));
  }
  SUBCASE("nothing is sent to a peer that was removed") {
    REQUIRE(a.device->remove_peer(a.peer) == Status::ok);
    usleep(50'000);
    const uint64_t received = get(b.counters().rx_packets);
    usleep(100'000);
    CHECK(get(b.counters().rx_packets) == received);
  }
}

TEST_CASE("a member that floods with reports is heard a few hundred times a second") {
  if (!can_open_devices()) return;
  TwoPaths two(2);
  End &a = two.pair.a, &b = two.pair.b;
  REQUIRE(two.talk_until([&] { return spread(a); }));
  MultipathReport report;
  report.session_index = 0x20001;
  report.clock_ns = now_ns();
  uint8_t bytes[MultipathReport::MAX_BYTES];
  constexpr unsigned FLOOD = 20'000;
  const uint64_t began = now_ns();
  for (unsigned i = 0; i < FLOOD; i++) {
    report.clock_ns++;
    b.device->send_inner(b.peer, bytes, report.write(bytes));
    if (i % 100 == 0) usleep(500);
  }
  const uint64_t useful = 500 + (now_ns() - began) / (NS_PER_SECOND / 500);
  const uint64_t sent = FLOOD - b.drops(Drop::inbox_full);
  CHECK(eventually(two.pair, [&] { return a.drops(Drop::rate_limited) + useful > sent; }));
  CHECK(two.talk_until([&] { return spread(b); }));
}

TEST_CASE("the narrowest path that carries limits all packets, one on standby none") {
  if (!can_open_devices()) return;
  TwoPaths two(2);
  End &a = two.pair.a, &b = two.pair.b;
  std::vector<PathSpec> specs = two.paths(a, b, two.second_a, two.second_b);
  specs[1].mtu_bytes = 1'200;
  std::vector<uint8_t> slots;
  const Bytes large = make_packet({.protocol = PROTOCOL_UDP, .payload = 1'200, .dont_fragment = true});
  for (const double weight : {1.0, 0.0}) {
    CAPTURE(weight);
    specs[1].weight = weight;
    REQUIRE(a.device->set_paths(a.peer, specs, PathMode::aggregate, slots) == Status::ok);
    const uint64_t refused = a.drops(Drop::inner_too_large), received = get(b.counters().rx_bytes);
    REQUIRE(a.device->send_inner(a.peer, large.data(), large.size()) == Status::ok);
    CHECK(eventually(two.pair, [&] {
      return weight > 0 ? a.drops(Drop::inner_too_large) > refused : get(b.counters().rx_bytes) > received + 1'200;
    }));
  }
}
