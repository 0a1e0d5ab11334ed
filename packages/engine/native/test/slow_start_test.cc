// Acknowledgements that are kept back while paths are being filled, and what a sender makes of it.
#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "multipath/slow_start.h"
#include "packets.h"

using namespace asterism;
using namespace asterism::test;

namespace {

constexpr uint32_t SEGMENT_BYTES = 1'368;

/** An acknowledgement of what `make_packet` sends. */
Bytes reply(uint32_t acknowledged, bool v6 = false, size_t payload = 0) {
  Bytes packet = make_packet({.v6 = v6, .payload = payload, .acknowledgement = acknowledged});
  const size_t address = v6 ? 16 : 4, first = v6 ? 8 : 12, ports = v6 ? 40 : 20;
  std::swap_ranges(packet.begin() + first, packet.begin() + first + address, packet.begin() + first + address);
  std::swap_ranges(packet.begin() + ports, packet.begin() + ports + 2, packet.begin() + ports + 2);
  return packet;
}

FlowPacket data_until(uint32_t next, bool v6 = false) {
  const Bytes packet = make_packet({.v6 = v6, .payload = 1'000, .sequence = next - 1'000});
  return FlowPacket::read(packet.data(), packet.size());
}

/** What the host of one flow's sender gets. */
struct Host {
  Host() { flows.set_active(true); }

  /** True if the host has the packet now. */
  bool get(const Bytes& packet, uint64_t now) { return !acks.keeps(packet.data(), packet.size(), flows, now); }

  StartingFlows flows;
  AckThinner acks;
};

/** A TCP sender in slow start, with Linux's HyStart: delays of more than eight samples of a round, and trains. */
class SlowStart {
 public:
  /** Segments that may leave now. */
  uint32_t allowed() const { return acknowledged_ + window_ - sent_; }
  void send(uint32_t count, uint64_t now) {
    for (uint32_t i = 0; i < count; i++) sent_at_.push_back(now);
    sent_ += count;
  }

  void acknowledge(uint32_t next, uint64_t now) {
    if (next <= acknowledged_) return;
    const uint64_t round_trip = now - sent_at_[next - 1];
    least_ = std::min(least_, round_trip);
    if (next > round_end_) {
      round_end_ = sent_;
      round_began_ = last_in_train_ = now;
      samples_ = 0;
      round_least_ = UINT64_MAX;
    }
    window_ += next - acknowledged_;
    acknowledged_ = next;
    if (window_ < 16) return;
    if (now - last_in_train_ <= 2 * NS_PER_MS) {
      last_in_train_ = now;
      left |= now - round_began_ > least_ / 2;
    }
    round_least_ = std::min(round_least_, round_trip);
    const uint64_t threshold = std::clamp(least_ / 8, 4 * NS_PER_MS, 16 * NS_PER_MS);
    left |= ++samples_ > 8 && round_least_ > least_ + threshold;
  }

  uint32_t window() const { return window_; }
  uint32_t sent() const { return sent_; }
  bool left = false;

 private:
  uint32_t window_ = 10;
  uint32_t acknowledged_ = 0;
  uint32_t sent_ = 0;
  std::vector<uint64_t> sent_at_;
  uint64_t least_ = UINT64_MAX;
  uint32_t round_end_ = 0;
  uint64_t round_began_ = 0;
  uint64_t last_in_train_ = 0;
  uint64_t round_least_ = 0;
  unsigned samples_ = 0;
};

/** Round trips grow with the window, as slower paths are taken into use; 6,000 segments a second pass. */
class FillingPaths {
 public:
  explicit FillingPaths(bool thinned) { host_.flows.set_active(thinned); }

  /** Until the sender leaves slow start, or has `window` segments under way. Returns the milliseconds that took. */
  uint64_t run(uint32_t window) {
    const uint64_t began = now_;
    for (; !tcp.left && tcp.window() < window; now_ += NS_PER_MS / 4) {
      send();
      for (; !arrivals_.empty() && arrivals_.front() <= now_; arrivals_.pop_front()) {
        received_++;
        if (received_ % 2 == 0) acknowledge();
      }
      size_t len;
      while (const uint8_t* packet = host_.acks.take(now_, len)) pass(packet, len);
    }
    return (now_ - began) / NS_PER_MS;
  }

  SlowStart tcp;

 private:
  void send() {
    const uint32_t count = tcp.allowed();
    tcp.send(count, now_);
    const Bytes last = make_packet({.payload = SEGMENT_BYTES, .sequence = (tcp.sent() - 1) * SEGMENT_BYTES});
    if (count > 0) host_.flows.sent(FlowPacket::read(last.data(), last.size()));
    for (uint32_t i = 0; i < count; i++) {
      const uint64_t delay = 10 * NS_PER_MS + std::min<uint64_t>(tcp.window(), 600) * 75 * NS_PER_MS / 600;
      last_arrival_ = std::max(now_ + delay, last_arrival_ + NS_PER_SECOND / 6'000);
      arrivals_.push_back(last_arrival_);
    }
  }

  void acknowledge() {
    const Bytes packet = reply(received_ * SEGMENT_BYTES);
    if (host_.get(packet, now_)) pass(packet.data(), packet.size());
  }

  void pass(const uint8_t* packet, size_t len) {
    tcp.acknowledge(FlowPacket::read(packet, len).acknowledged / SEGMENT_BYTES, now_);
  }

  Host host_;
  uint64_t now_ = NS_PER_SECOND;
  uint64_t last_arrival_ = 0;
  std::deque<uint64_t> arrivals_;
  uint32_t received_ = 0;
};

}  // namespace

TEST_CASE("slow start goes on though round trips grow, if few acknowledgements tell of it") {
  FillingPaths plain(false);
  plain.run(600);
  CHECK(plain.tcp.left);
  CHECK(plain.tcp.window() < 120);
  FillingPaths thinned(true);
  const uint64_t took_ms = thinned.run(600);
  CHECK_FALSE(thinned.tcp.left);
  CHECK(took_ms < 700);
}

TEST_CASE("of acknowledgements that are kept back the newest goes on in time, and none twice") {
  for (const bool v6 : {false, true}) {
    CAPTURE(v6);
    Host host;
    uint64_t now = NS_PER_SECOND;
    host.flows.sent(data_until(101'000, v6));
    CHECK(host.get(reply(1'000, v6), now));
    CHECK(host.acks.deadline() == UINT64_MAX);
    CHECK_FALSE(host.get(reply(3'000, v6), now += NS_PER_MS));
    CHECK_FALSE(host.get(reply(5'000, v6), now += NS_PER_MS));
    size_t len;
    CHECK(host.acks.take(now, len) == nullptr);
    now = host.acks.deadline();
    CHECK(now <= NS_PER_SECOND + 25 * NS_PER_MS);
    const uint8_t* packet = host.acks.take(now, len);
    REQUIRE(packet != nullptr);
    CHECK(Bytes(packet, packet + len) == reply(5'000, v6));
    CHECK(host.acks.take(now, len) == nullptr);
    // A sixth of what is under way is enough, and takes the place of what is kept.
    CHECK_FALSE(host.get(reply(10'000, v6), now += 4 * NS_PER_MS));
    CHECK(host.get(reply(25'000, v6), now += NS_PER_MS));
    CHECK(host.acks.deadline() == UINT64_MAX);
  }
}

TEST_CASE("what says more than an acknowledgement, and what ends the waiting, goes on at once") {
  Host host;
  uint64_t now = NS_PER_SECOND;
  host.flows.sent(data_until(101'000));
  CHECK(host.get(reply(1'000), now));
  CHECK_FALSE(host.get(reply(3'000), now += NS_PER_MS));
  SUBCASE("the same again") { CHECK(host.get(reply(3'000), now)); }
  SUBCASE("data") { CHECK(host.get(reply(5'000, false, 10), now)); }
  SUBCASE("another option") {
    Bytes packet = reply(5'000);
    packet[22 + 20] = 5;
    CHECK(host.get(packet, now));
  }
  SUBCASE("another flag") {
    Bytes packet = reply(5'000);
    packet[33] |= TCP_FIN;
    CHECK(host.get(packet, now));
  }
  SUBCASE("everything has arrived") { CHECK(host.get(reply(101'000), now)); }
  SUBCASE("the paths are full") {
    host.flows.set_active(false);
    CHECK(host.get(reply(5'000), now));
  }
  CHECK(host.acks.deadline() == UINT64_MAX);
}

TEST_CASE("flows with little under way, and flows that have gone on for long, get every acknowledgement") {
  Host host;
  uint64_t now = NS_PER_SECOND;
  uint32_t sent = 1'000;
  for (int i = 0; i < 100; i++) {
    host.flows.sent(data_until(sent + 15'000));
    CHECK(host.get(reply(sent += 1'000), now += NS_PER_MS / 2));
  }
  unsigned kept = 0;
  for (int i = 0; i < 4'000; i++) {
    host.flows.sent(data_until(sent + 100'000));
    const bool passed = host.get(reply(sent += 1'000), now += NS_PER_MS);
    kept += !passed;
    if (i > 3'000) REQUIRE(passed);
  }
  CHECK(kept > 2'000);
}
