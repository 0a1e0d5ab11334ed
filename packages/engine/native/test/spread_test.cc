// Two devices that spread their packets over two paths.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "device_pair.h"
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
