// The scheduler with simulated links in virtual time: what it learns, where it sends, what it survives.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "path_simulation.h"

using namespace asterism;
using namespace asterism::test;

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

TEST_CASE("paths of unknown rates are filled without a loss") {
  Simulation simulation({{40 * MBIT, 5}, {20 * MBIT, 20}, {10 * MBIT, 40}, {5 * MBIT, 80}});
  simulation.run(1);
  simulation.goodput();
  simulation.run(0.5);
  CHECK(simulation.goodput() > 0.95 * sum_of(simulation));
  CHECK(simulation.out_of_order == 0);
  for (unsigned i = 0; i < simulation.links.size(); i++) {
    CAPTURE(i);
    CHECK(simulation.scheduler.lost_packets(i) == 0);
    CHECK(simulation.scheduler.estimate(i).rate() == doctest::Approx(simulation.links[i].bytes_per_second).epsilon(0.05));
  }
}

TEST_CASE("a few small packets that come late say nothing of a path's rate") {
  PathEstimator path;
  const double guess = path.rate();
  for (uint64_t i = 0, now = NS_PER_SECOND; i < 400; i++, now += 5 * NS_PER_MS) {
    const uint64_t late = i % 7 > 2 ? 6 * NS_PER_MS : 0;
    path.arrived(path.sent(100, now), now + 5 * NS_PER_MS + late);
  }
  CHECK(path.rate() == guess);
}

TEST_CASE("packets go by the same path in runs where that costs nothing") {
  Simulation simulation({{1000 * MBIT, 1}, {1000 * MBIT, 1}});
  simulation.run(1);
  simulation.goodput();
  const uint64_t sent = simulation.sent_packets;
  simulation.turns = 0;
  simulation.run(1);
  CHECK(simulation.goodput() > 0.95 * sum_of(simulation));
  CHECK(simulation.turns < (simulation.sent_packets - sent) / 8);
}

TEST_CASE("one path carries all that comes in bursts while it has no queue") {
  Simulation simulation({{10'000 * MBIT, 1}, {10'000 * MBIT, 1}});
  simulation.bursts(500, 0.004, 300 * MBIT);
  simulation.goodput();
  const uint64_t sent = simulation.sent_packets;
  simulation.turns = 0;
  simulation.bursts(250, 0.004, 300 * MBIT);
  CHECK(simulation.goodput() > 0.95 * 300 * MBIT);
  CHECK(simulation.turns < (simulation.sent_packets - sent) / 100);
}

TEST_CASE("what goes too fast to be sent again is watched now and then, and its path's troubles come to light") {
  Simulation simulation({{10'000 * MBIT, 1}, {10'000 * MBIT, 1}});
  simulation.run(0.5, 4'000 * MBIT);
  simulation.goodput();
  const uint64_t sent = simulation.sent_packets;
  simulation.coasted_packets = 0;
  simulation.run(1, 4'000 * MBIT);
  CHECK(simulation.goodput() > 0.99 * 4'000 * MBIT);
  CHECK(simulation.coasted_packets > (simulation.sent_packets - sent) * 2 / 3);
  double offered = 4'000 * MBIT;
  SUBCASE("it dies") { simulation.links[simulation.last_link()].cut = true; }
  SUBCASE("it carries less than before") {
    for (SimulatedLink& link : simulation.links) link.bytes_per_second = 2'500 * MBIT;
  }
  SUBCASE("there is little to send") { offered = 100 * MBIT; }
  simulation.longest_silence_ns = 0;
  simulation.run(1, offered);
  CHECK(simulation.longest_silence_ns < 500 * NS_PER_MS);
  simulation.coasted_packets = 0;
  simulation.goodput();
  simulation.run(1, offered);
  CHECK(simulation.goodput() > 0.97 * offered);
  if (offered < 1'000 * MBIT) CHECK(simulation.coasted_packets == 0);
}

TEST_CASE("a receiver that lags behind is no queue on the way") {
  Simulation simulation({{1'000 * MBIT, 1}, {1'000 * MBIT, 1}});
  simulation.receiver_pause_ns = 6 * NS_PER_MS;
  simulation.run(2, 300 * MBIT);
  simulation.goodput();
  const uint64_t sent = simulation.sent_packets;
  simulation.turns = 0;
  simulation.run(1, 300 * MBIT);
  CHECK(simulation.scheduler.estimate(0).queueing_ns() < NS_PER_MS);
  CHECK(simulation.goodput() > 0.95 * 300 * MBIT);
  CHECK(simulation.turns < (simulation.sent_packets - sent) / 100);
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

TEST_CASE("a loss makes round trips uneven for a second, on paths that are alike too") {
  Simulation simulation({{20 * MBIT, 10}, {20 * MBIT, 10}});
  simulation.run(2, 5 * MBIT);
  CHECK_FALSE(simulation.scheduler.filling(0, simulation.now));
  for (SimulatedLink& link : simulation.links) link.loss = 0.1;
  simulation.run(0.3, 5 * MBIT);
  CHECK(simulation.scheduler.filling(0, simulation.now));
  for (SimulatedLink& link : simulation.links) link.loss = 0;
  simulation.run(1.5, 5 * MBIT);
  CHECK_FALSE(simulation.scheduler.filling(0, simulation.now));
}

TEST_CASE("a ring that turned while next to nothing was added counts from then") {
  SentRing ring;
  const std::vector<uint8_t> message(SentRing::MAX_MESSAGE_BYTES);
  uint64_t now = NS_PER_SECOND;
  for (uint64_t counter = 0; counter < 3 * SentRing::SEALED_BYTES / message.size(); counter++) {
    ring.keep(ring.add(counter, message.size()), message.data(), now += 1'000, 0);
  }
  ring.pause(200 * NS_PER_MS, now);
  CHECK(ring.stays_ns(now) < 5 * NS_PER_MS);
}

TEST_CASE("what is lost of a burst is sent again though nothing follows it, or much later") {
  SimulatedLink lossy{20 * MBIT, 10, 0.02};
  double interval_seconds = 0.1;
  SUBCASE("nothing") {}
  SUBCASE("the next burst, sent before this one has arrived") {
    lossy.delay_ms = 120;
    interval_seconds = 0.2;
  }
  Simulation simulation({lossy, lossy, lossy, lossy});
  const double offered = 20 * PACKET_BYTES / interval_seconds;
  simulation.bursts(20, interval_seconds, offered);
  const uint64_t out_of_order = simulation.out_of_order;
  simulation.bursts(500, interval_seconds, offered);
  uint64_t lost = 0;
  for (unsigned i = 0; i < simulation.links.size(); i++) lost += simulation.scheduler.lost_packets(i);
  CHECK(lost > 100);
  CHECK(simulation.out_of_order - out_of_order < lost / 20);
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

TEST_CASE("full paths are not full any more for the next transfer") {
  Simulation simulation({{40 * MBIT, 10}, {10 * MBIT, 40}});
  simulation.run(3);
  CHECK_FALSE(simulation.scheduler.filling(1'000'000, simulation.now));
  simulation.run(0.1, 0.1 * MBIT);
  CHECK_FALSE(simulation.scheduler.filling(0, simulation.now));
  simulation.run(0.1, 0.1 * MBIT);
  CHECK(simulation.scheduler.filling(0, simulation.now));
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

TEST_CASE("a cap below what any path is taken to carry is that") {
  PathEstimator path;
  path.set_cap(1);
  CHECK(path.rate() == 8'000);
}

TEST_CASE("a cap is kept to") {
  Simulation simulation({{40 * MBIT, 10}, {40 * MBIT, 12}});
  simulation.use({{.to = address_of(0), .weight = 1, .cap_bytes_per_second = 10 * MBIT, .slot = 0},
                  {.to = address_of(1), .weight = 1, .slot = 1}});
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
