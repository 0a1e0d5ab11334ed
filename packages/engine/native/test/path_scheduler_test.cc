// The scheduler with simulated links in virtual time: what it learns, where it sends, what it survives.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <queue>
#include <vector>

#include "base/clock.h"
#include "multipath/path_receiver.h"
#include "multipath/path_scheduler.h"
#include "random.h"
#include "wire/replay_window.h"

using namespace asterism;
using namespace asterism::test;

namespace {

constexpr uint32_t SESSION = 77;
constexpr size_t PACKET_BYTES = 1452;

struct SimulatedLink {
  double bytes_per_second;
  double delay_ms;
  double loss = 0;
  double queue_ms = 50;
  double reorder = 0;
  double reorder_ms = 20;
  double duplicate = 0;
  /** Larger packets vanish. */
  size_t mtu_bytes = 1500;
  bool cut = false;

  uint64_t free_at = 0;
  uint64_t delivered_bytes = 0;
  uint64_t worst_queue_ns = 0;
  uint64_t sent_bytes = 0;
};

PathAddress address_of(unsigned index) {
  PathAddress address;
  address.link = index;
  return address;
}

/** A sender that always has something to send, links, and a receiver; packets are counters. */
class Simulation {
 public:
  explicit Simulation(std::vector<SimulatedLink> with, uint64_t seed = 1) : links(std::move(with)), random(seed) {
    PathTable table;
    table.mode = PathMode::aggregate;
    table.version = 1;
    for (unsigned i = 0; i < links.size(); i++) {
      table.paths.push_back({.to = address_of(i), .weight = 1, .slot = static_cast<uint8_t>(i)});
    }
    scheduler.use(table, SESSION);
    receiver.use_session(SESSION, 0);
  }

  /** `offered`: bytes per second that the sender has, 0 for as much as fits. */
  void run(double seconds, double offered = 0) {
    const uint64_t end = now + static_cast<uint64_t>(seconds * 1e9);
    for (; now < end; now += STEP_NS) {
      allowance_ += offered * STEP_NS / 1e9;
      take_arrivals();
      serve_receiver();
      take_reports();
      serve_sender(offered);
    }
  }

  /** What reached the receiver's host, in order or not, in bytes per second since the last call. */
  double goodput() {
    const double rate = static_cast<double>(released_bytes_) * 1e9 / static_cast<double>(now - measured_at_);
    released_bytes_ = 0;
    measured_at_ = now;
    return rate;
  }

  std::vector<SimulatedLink> links;
  PathScheduler scheduler;
  PathReceiver receiver;
  uint64_t now = 1'000 * NS_PER_SECOND;
  uint64_t out_of_order = 0;
  uint64_t sent_packets = 0;
  uint64_t resent_bytes = 0;
  uint64_t longest_silence_ns = 0;
  /** Changes what the receiver tells before the sender hears it. */
  std::function<void(MultipathReport&)> lie = [](MultipathReport&) {};

 private:
  static constexpr uint64_t STEP_NS = NS_PER_MS / 4;
  /** The receiver's clock has nothing to do with ours. */
  static constexpr uint64_t CLOCK_OFFSET_NS = 123'456 * NS_PER_SECOND;

  struct Flight {
    uint64_t at;
    uint64_t counter;
    unsigned link;
    bool data;
    bool operator<(const Flight& other) const { return at > other.at; }
  };
  struct Answer {
    uint64_t at;
    std::vector<uint8_t> bytes;
  };

  void transmit(uint64_t counter, unsigned index, size_t bytes, bool data) {
    SimulatedLink& link = links[index];
    link.sent_bytes += bytes;
    const uint64_t start = std::max(link.free_at, now);
    const uint64_t queue = start - now;
    if (link.cut || bytes > link.mtu_bytes || static_cast<double>(queue) > link.queue_ms * 1e6) return;
    link.worst_queue_ns = std::max(link.worst_queue_ns, queue);
    link.free_at = start + static_cast<uint64_t>(static_cast<double>(bytes) * 1e9 / link.bytes_per_second);
    if (random.below(1'000'000) < link.loss * 1e6) return;
    uint64_t at = link.free_at + static_cast<uint64_t>(link.delay_ms * 1e6);
    if (random.below(1'000'000) < link.reorder * 1e6) at += static_cast<uint64_t>(link.reorder_ms * 1e6);
    flights_.push({at, counter, index, data});
    if (random.below(1'000'000) < link.duplicate * 1e6) flights_.push({at + NS_PER_MS, counter, index, data});
  }

  void take_arrivals() {
    for (; !flights_.empty() && flights_.top().at <= now; flights_.pop()) {
      const Flight flight = flights_.top();
      if (links[flight.link].cut || !window_.commit(flight.counter)) continue;
      links[flight.link].delivered_bytes += flight.data ? PACKET_BYTES : 0;
      if (!flight.data) receiver.request(request_, address_of(flight.link), clock());
      receiver.arrived(flight.counter, flight.link, flight.data, clock());
      if (!receiver.ordering(window_)) {
        if (flight.data) release(flight.counter);
      } else if (!flight.data || receiver.order.due(flight.counter)) {
        if (flight.data) release(flight.counter);
        receiver.order.passed(flight.counter, release_);
      } else {
        std::array<uint8_t, 8> packet;
        std::memcpy(packet.data(), &flight.counter, 8);
        receiver.order.hold(flight.counter, receiver.order.copy(packet.data(), 8), 8, clock(), release_);
      }
    }
  }

  void release(uint64_t counter) {
    longest_silence_ns = std::max(longest_silence_ns, now - released_at_);
    released_at_ = now;
    released_bytes_ += PACKET_BYTES;
    if (counter < next_in_order_) out_of_order++;
    next_in_order_ = std::max(next_in_order_, counter + 1);
  }

  void serve_receiver() {
    receiver.order.expire(clock(), receiver.hold_ns(), release_);
    if (!receiver.report_due(clock())) return;
    const unsigned link = receiver.reply_to().link;
    std::vector<uint8_t> bytes(MultipathReport::MAX_BYTES);
    bytes.resize(receiver.write_report(window_, clock(), bytes.data()));
    if (!links[link].cut) answers_.push_back({now + static_cast<uint64_t>(links[link].delay_ms * 1e6), bytes});
  }

  void take_reports() {
    for (size_t i = 0; i < answers_.size();) {
      if (answers_[i].at > now) {
        i++;
        continue;
      }
      MultipathReport report;
      REQUIRE(report.read(answers_[i].bytes.data(), answers_[i].bytes.size()));
      lie(report);
      scheduler.report(report, now);
      answers_.erase(answers_.begin() + static_cast<long>(i));
    }
  }

  void serve_sender(double offered) {
    const std::array<uint8_t, PACKET_BYTES> message{};
    if (now >= next_tick_) {
      scheduler.tick(now);
      next_tick_ = now + PathScheduler::TICK_NS;
    }
    if (scheduler.take_request(request_, now)) {
      for (unsigned i = 0; i < links.size(); i++) {
        scheduler.sent(counter_, i, message.data(), 72, false, now);
        transmit(counter_++, i, 72, false);
      }
    }
    uint64_t lost;
    size_t len;
    while (scheduler.next_lost(lost, len) != nullptr) {
      const unsigned first = scheduler.fastest(now), second = scheduler.fastest(now, first);
      for (const unsigned index : {first, second}) {
        if (index == PathScheduler::NONE) continue;
        scheduler.sent_again(lost, index, now);
        resent_bytes += len;
        transmit(lost, index, len, true);
      }
    }
    for (unsigned i = 0; i < 1'000; i++) {
      if (offered > 0 && allowance_ < PACKET_BYTES) return;
      // As much waits as a sender that always has something would leave there.
      const size_t waiting = offered > 0 ? 0 : 3'000'000;
      const unsigned index = scheduler.informed(now) ? scheduler.choose(PACKET_BYTES, waiting, now) : 0;
      if (index == PathScheduler::NONE || (!scheduler.informed(now) && i > 0)) return;
      scheduler.sent(counter_, index, message.data(), message.size(), true, now);
      transmit(counter_++, index, PACKET_BYTES, true);
      sent_packets++;
      allowance_ -= PACKET_BYTES;
    }
  }

  uint64_t clock() const { return now + CLOCK_OFFSET_NS; }

  Random random;
  ReplayWindow window_;
  std::priority_queue<Flight> flights_;
  std::deque<Answer> answers_;
  MultipathRequest request_;
  uint64_t counter_ = 0;
  uint64_t next_tick_ = 0;
  double allowance_ = 0;
  uint64_t released_bytes_ = 0;
  uint64_t measured_at_ = 1'000 * NS_PER_SECOND;
  uint64_t released_at_ = 1'000 * NS_PER_SECOND;
  uint64_t next_in_order_ = 0;
  ReorderBuffer::Release release_ = [this](uint8_t* packet, size_t) {
    uint64_t counter;
    std::memcpy(&counter, packet, 8);
    release(counter);
  };
};

double sum_of(const Simulation& simulation) {
  double sum = 0;
  for (const SimulatedLink& link : simulation.links) sum += link.cut ? 0 : link.bytes_per_second;
  return sum;
}

constexpr double MBIT = 1e6 / 8;

}  // namespace

TEST_CASE("links of any rate and delay are used to the full, with little queue and in order") {
  const std::vector<std::vector<SimulatedLink>> sets = {
      {{20 * MBIT, 0.1}, {20 * MBIT, 0.1}, {20 * MBIT, 0.1}, {20 * MBIT, 0.1}},
      {{5 * MBIT, 5}, {10 * MBIT, 20}, {20 * MBIT, 40}, {40 * MBIT, 80}},
      {{5 * MBIT, 80}, {10 * MBIT, 40}, {20 * MBIT, 20}, {40 * MBIT, 5}},
      {{1 * MBIT, 30}, {300 * MBIT, 2}},
  };
  for (const std::vector<SimulatedLink>& set : sets) {
    Simulation simulation(set);
    simulation.run(3);
    simulation.goodput();
    for (SimulatedLink& link : simulation.links) link.worst_queue_ns = 0;
    const uint64_t out_of_order = simulation.out_of_order;
    simulation.run(5);
    CHECK(simulation.goodput() > 0.95 * sum_of(simulation));
    CHECK(simulation.out_of_order == out_of_order);
    for (unsigned i = 0; i < set.size(); i++) {
      CAPTURE(i);
      const double packet_ms = PACKET_BYTES * 1e3 / set[i].bytes_per_second;
      CHECK(static_cast<double>(simulation.links[i].worst_queue_ns) / 1e6 < 16 + 6 * packet_ms);
      CHECK(simulation.scheduler.estimate(i).rate() == doctest::Approx(set[i].bytes_per_second).epsilon(0.15));
    }
  }
}

TEST_CASE("little traffic takes the fastest path alone") {
  Simulation simulation({{20 * MBIT, 30}, {20 * MBIT, 3}});
  simulation.run(2, 1 * MBIT);
  simulation.links[0].sent_bytes = 0;
  simulation.run(3, 1 * MBIT);
  CHECK(simulation.links[0].sent_bytes < 20'000);
  CHECK(simulation.goodput() > 0.9 * MBIT);
}

TEST_CASE("random losses are hidden, at a small price") {
  const SimulatedLink lossy{20 * MBIT, 10, 0.01};
  Simulation simulation({lossy, lossy, lossy, lossy});
  simulation.run(3);
  simulation.goodput();
  simulation.resent_bytes = 0;
  const uint64_t sent = simulation.sent_packets;
  simulation.run(10);
  CHECK(simulation.goodput() > 0.9 * sum_of(simulation));
  const uint64_t packets = simulation.sent_packets - sent;
  CHECK(simulation.out_of_order < packets / 2'000);
  CHECK(simulation.resent_bytes < packets * PACKET_BYTES * 4 / 100);
}

TEST_CASE("a link that dies is out of use within a second, and in use again within seconds") {
  Simulation simulation({{20 * MBIT, 5}, {20 * MBIT, 10}});
  simulation.run(3);
  simulation.longest_silence_ns = 0;
  simulation.links[0].cut = true;
  simulation.run(1);
  CHECK(simulation.scheduler.dead(0));
  simulation.goodput();
  simulation.run(2);
  CHECK(simulation.goodput() > 0.9 * 20 * MBIT);
  CHECK(simulation.longest_silence_ns < NS_PER_SECOND);
  simulation.links[0].cut = false;
  simulation.run(3);
  CHECK_FALSE(simulation.scheduler.dead(0));
  simulation.goodput();
  simulation.run(2);
  CHECK(simulation.goodput() > 0.9 * 40 * MBIT);
}

TEST_CASE("rates that change are followed") {
  Simulation simulation({{40 * MBIT, 10}, {10 * MBIT, 20}});
  simulation.run(3);
  simulation.links[0].bytes_per_second = 8 * MBIT;
  simulation.run(2);
  simulation.links[0].worst_queue_ns = 0;
  simulation.goodput();
  simulation.run(3);
  CHECK(simulation.goodput() > 0.93 * 18 * MBIT);
  CHECK(simulation.links[0].worst_queue_ns < 30 * NS_PER_MS);
  simulation.links[0].bytes_per_second = 60 * MBIT;
  simulation.run(3);
  simulation.goodput();
  simulation.run(3);
  CHECK(simulation.goodput() > 0.93 * 70 * MBIT);
}

TEST_CASE("paths that reorder and duplicate slow nothing down for good") {
  SimulatedLink odd{20 * MBIT, 10};
  odd.reorder = 0.02;
  odd.duplicate = 0.02;
  Simulation simulation({odd, {20 * MBIT, 15}});
  simulation.run(3);
  simulation.goodput();
  simulation.run(5);
  CHECK(simulation.goodput() > 0.85 * 40 * MBIT);
}

TEST_CASE("a path that delivers nothing, or no large packets, costs the others little") {
  SUBCASE("nothing from the beginning") {
    Simulation simulation({{20 * MBIT, 5}, {20 * MBIT, 5}});
    simulation.links[1].cut = true;
    simulation.run(2);
    simulation.goodput();
    simulation.run(3);
    CHECK(simulation.goodput() > 0.9 * 20 * MBIT);
    CHECK(simulation.links[1].sent_bytes < 100'000);
  }
  SUBCASE("no large packets") {
    SimulatedLink narrow{20 * MBIT, 5};
    narrow.mtu_bytes = 1'400;
    Simulation simulation({narrow, {20 * MBIT, 5}});
    simulation.run(3);
    simulation.goodput();
    simulation.longest_silence_ns = 0;
    simulation.run(5);
    CHECK(simulation.goodput() > 0.8 * 20 * MBIT);
    CHECK(simulation.longest_silence_ns < NS_PER_SECOND);
  }
}

TEST_CASE("a path that reorders wildly leaves the other one its rate") {
  SimulatedLink wild{20 * MBIT, 10};
  wild.reorder = 0.5;
  wild.reorder_ms = 150;
  Simulation simulation({wild, {20 * MBIT, 15}});
  simulation.run(3);
  simulation.goodput();
  simulation.run(5);
  CHECK(simulation.goodput() > 20 * MBIT);
}

TEST_CASE("a path that drops instead of queueing keeps most of what it gets") {
  SimulatedLink policed{20 * MBIT, 10};
  policed.queue_ms = 2;
  Simulation simulation({policed, {20 * MBIT, 10}});
  simulation.run(4);
  simulation.goodput();
  simulation.run(5);
  CHECK(simulation.goodput() > 0.75 * 40 * MBIT);
}

TEST_CASE("a cap is kept to") {
  Simulation simulation({{40 * MBIT, 10}, {40 * MBIT, 12}});
  PathTable table;
  table.mode = PathMode::aggregate;
  table.version = 2;
  table.paths = {{.to = address_of(0), .weight = 1, .cap_bytes_per_second = 10 * MBIT, .slot = 0},
                 {.to = address_of(1), .weight = 1, .slot = 1}};
  simulation.scheduler.use(table, SESSION);
  simulation.run(3);
  simulation.links[0].sent_bytes = simulation.links[1].sent_bytes = 0;
  simulation.run(5);
  CHECK(static_cast<double>(simulation.links[0].sent_bytes) < 5 * 10.5 * MBIT);
  CHECK(static_cast<double>(simulation.links[1].sent_bytes) > 5 * 37 * MBIT);
}

TEST_CASE("a receiver that lies harms itself only") {
  SUBCASE("nothing ever arrived: what is sent again stays a small share") {
    Simulation simulation({{20 * MBIT, 5}, {20 * MBIT, 5}});
    simulation.run(1);
    simulation.lie = [](MultipathReport& report) { std::fill(report.words.begin(), report.words.end(), 0); };
    simulation.resent_bytes = 0;
    const uint64_t sent = simulation.sent_packets;
    simulation.run(5);
    CHECK(static_cast<double>(simulation.resent_bytes) <
          0.2 * static_cast<double>((simulation.sent_packets - sent) * PACKET_BYTES) + 1.1e6);
  }
  SUBCASE("times from nowhere") {
    Random random(9);
    Simulation simulation({{20 * MBIT, 5}, {20 * MBIT, 5}});
    simulation.lie = [&](MultipathReport& report) {
      if (random.chance(30)) report.clock_ns = random.next();
      for (auto& path : report.paths) {
        if (random.chance(30)) path.at_ns = report.clock_ns - random.below(uint64_t{1} << 42);
      }
    };
    simulation.run(5);
    for (unsigned i = 0; i < 2; i++) CHECK(simulation.scheduler.estimate(i).rate() <= 12.5e9);
  }
  SUBCASE("counters that were never sent are refused") {
    Simulation simulation({{20 * MBIT, 5}, {20 * MBIT, 5}});
    simulation.run(1);
    MultipathReport report;
    report.session_index = SESSION;
    report.greatest = 1'000'000'000;
    report.clock_ns = ~uint64_t{0};
    CHECK_FALSE(simulation.scheduler.report(report, simulation.now));
    report.greatest = 1;
    report.session_index = SESSION + 1;
    CHECK_FALSE(simulation.scheduler.report(report, simulation.now));
  }
}

TEST_CASE("a peer that never answers is sent to by one path, and asked less and less") {
  Simulation simulation({{20 * MBIT, 5}, {20 * MBIT, 5}});
  simulation.lie = [](MultipathReport& report) { report.session_index++; };
  simulation.run(10);
  CHECK_FALSE(simulation.scheduler.informed(simulation.now));
  CHECK(simulation.links[1].sent_bytes < 72 * 40);
}
