// What peers and networks can do to the scheduler, the receiver and the reorder buffer, in virtual time.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "packets.h"
#include "path_simulation.h"

using namespace asterism;
using namespace asterism::test;

namespace {

Path path_to(unsigned link, uint8_t slot, double weight = 1) {
  return {.to = address_of(link), .weight = weight, .slot = slot};
}

/** Bytes per second that arrive in the next `seconds`. */
double goodput_of(Simulation& simulation, double seconds) {
  simulation.goodput();
  simulation.run(seconds);
  return simulation.goodput();
}

bool sound(const PathScheduler& scheduler) {
  for (unsigned i = 0; i < scheduler.paths().size(); i++) {
    const PathEstimator& estimate = scheduler.estimate(i);
    if (!std::isfinite(estimate.rate()) || estimate.rate() < 8e3 || estimate.rate() > 12.5e9) return false;
  }
  return scheduler.room_at() > 0;
}

}  // namespace

TEST_CASE("a path that takes the place of another in the table is learnt anew, and used at once") {
  Simulation simulation({{20 * MBIT, 10}, {20 * MBIT, 10}, {20 * MBIT, 15}});
  simulation.use({path_to(0, 0), path_to(1, 1)});
  simulation.run(3);
  simulation.longest_silence_ns = 0;
  simulation.links[1].cut = true;
  simulation.use({path_to(0, 0), path_to(2, 1)});
  simulation.run(0.5);
  CHECK(goodput_of(simulation, 2) > 0.9 * 40 * MBIT);
  CHECK(simulation.scheduler.lost_packets(1) < 20);
  // What was under way on the path that is gone went by the others.
  CHECK(simulation.longest_silence_ns < 200 * NS_PER_MS);
}

TEST_CASE("idle paths are not asked for reports, and known soon when they are to carry") {
  Simulation simulation({{20 * MBIT, 5}, {20 * MBIT, 5}, {20 * MBIT, 5}, {20 * MBIT, 5}});
  simulation.links[3].cut = true;
  simulation.use({path_to(0, 0), path_to(1, 1), path_to(2, 2, 0), path_to(3, 3, 0)});
  simulation.run(3);
  CHECK(simulation.links[2].sent_bytes + simulation.links[3].sent_bytes == 0);
  CHECK(simulation.requests < 20);
  simulation.use({path_to(0, 0), path_to(1, 1), path_to(2, 2), path_to(3, 3, 0)});
  simulation.run(0.2);
  CHECK(simulation.scheduler.estimate(2).known());
  CHECK(goodput_of(simulation, 2) > 0.9 * 60 * MBIT);
}

TEST_CASE("a session that calls itself like the one before has counters of its own") {
  Simulation simulation({{20 * MBIT, 10, 0.02}, {20 * MBIT, 10, 0.02}});
  simulation.run(2);
  const uint64_t resent = simulation.resent_bytes;
  simulation.renew_session();
  uint64_t counter;
  size_t len;
  CHECK(simulation.scheduler.next_lost(counter, len) == nullptr);
  CHECK(goodput_of(simulation, 2) > 0.9 * 40 * MBIT);
  CHECK(simulation.resent_bytes > resent + 50 * PACKET_BYTES);
}

TEST_CASE("queues stay short for minutes, also where several paths lead through the same line") {
  std::vector<SimulatedLink> links = {{20 * MBIT, 10}, {20 * MBIT, 10}, {5 * MBIT, 30}};
  std::vector<std::shared_ptr<Line>> lines;
  double sum = 45 * MBIT;
  SUBCASE("links of their own") {}
  SUBCASE("two links here, two there, a path between each two of them") {
    links.clear();
    sum = 40 * MBIT;
    for (int i = 0; i < 4; i++) lines.push_back(std::make_shared<Line>(Line{20 * MBIT}));
    for (int i = 0; i < 4; i++) {
      links.push_back({1e10, 10});
      links.back().shared = {lines[i / 2], lines[2 + i % 2]};
    }
  }
  Simulation simulation(links);
  simulation.run(3);
  for (SimulatedLink& link : simulation.links) link.worst_queue_ns = 0;
  for (const auto& line : lines) line->worst_queue_ns = 0;
  const uint64_t out_of_order = simulation.out_of_order;
  const uint64_t resent = simulation.resent_bytes;
  CHECK(goodput_of(simulation, 200) > 0.97 * sum);
  CHECK(simulation.out_of_order == out_of_order);
  CHECK(simulation.resent_bytes - resent < 20 * PACKET_BYTES);
  for (const SimulatedLink& link : simulation.links) CHECK(link.worst_queue_ns < 25 * NS_PER_MS);
  for (const auto& line : lines) CHECK(line->worst_queue_ns < 25 * NS_PER_MS);
}

TEST_CASE("a slow way back for the reports costs little, one that loses them all not everything") {
  SimulatedLink link{20 * MBIT, 10, 0.005};
  SUBCASE("slow") {
    link.back_bytes_per_second = 0.5 * MBIT;
    Simulation simulation({link, link, link});
    simulation.run(3);
    CHECK(goodput_of(simulation, 5) > 0.9 * 60 * MBIT);
    CHECK(simulation.report_bytes < 8 * 0.5 * MBIT);
  }
  SUBCASE("cut") {
    Simulation simulation({link, {20 * MBIT, 20, 0.005}});
    simulation.run(3);
    simulation.links[0].cut_back = true;
    simulation.longest_silence_ns = 0;
    CHECK(goodput_of(simulation, 5) > 24 * MBIT);
    CHECK(simulation.longest_silence_ns < 300 * NS_PER_MS);
  }
}

TEST_CASE("paths that spoil a tenth of all packets are used all the same") {
  // A spoilt packet fails authentication: it is lost.
  Simulation simulation({{20 * MBIT, 10, 0.1}, {20 * MBIT, 15}});
  simulation.run(3);
  CHECK(goodput_of(simulation, 5) > 24 * MBIT);
}

TEST_CASE("whatever a report claims, what is learnt stays within bounds, and the truth mends it") {
  for (uint64_t seed = 1; seed <= 8; seed++) {
    CAPTURE(seed);
    Random random(seed);
    Simulation simulation({{20 * MBIT, 5}, {20 * MBIT, 5}}, seed);
    bool lying = true;
    const auto number = [&] { return random.chance(30) ? ~uint64_t{0} >> random.below(64) : random.next() >> random.below(64); };
    simulation.lie = [&](MultipathReport& report) {
      if (!lying) return;
      if (random.chance(20)) report.clock_ns = number();
      if (random.chance(20)) report.clock_ns += number();
      // As it would be read: of counters that were sent, at times of 32 bits of microseconds before the clock.
      if (random.chance(20)) report.greatest = std::min(number(), report.greatest);
      report.path_count = static_cast<unsigned>(random.below(MultipathReport::MAX_PATHS + 1));
      for (auto& path : report.paths) {
        path.counter = report.greatest - std::min(number(), report.greatest);
        path.at_ns = report.clock_ns - (number() & UINT32_MAX) * 1'000;
      }
      report.first_word = report.greatest / 64 - std::min(number(), report.greatest / 64);
      report.word_count = static_cast<unsigned>(std::min<uint64_t>(report.greatest / 64 - report.first_word + 1, random.below(65)));
      for (uint64_t& word : report.words) word = number();
    };
    simulation.run(3);
    CHECK(sound(simulation.scheduler));
    CHECK(simulation.resent_bytes < 0.2 * static_cast<double>(simulation.sent_packets * PACKET_BYTES) + 1.1e6);
    lying = false;
    simulation.run(25);
    CHECK(goodput_of(simulation, 3) > 0.9 * 40 * MBIT);
  }
}

TEST_CASE("a claim of arrivals at once makes the sender no faster than its bound, and not busy for ever") {
  Simulation simulation({{20 * MBIT, 5}, {20 * MBIT, 5}});
  uint64_t clock = 0;
  simulation.lie = [&](MultipathReport& report) {
    report.clock_ns = clock += 2;
    for (auto& path : report.paths) path.at_ns = clock - 1;
  };
  simulation.run(3, 100 * MBIT);
  CHECK(sound(simulation.scheduler));
  simulation.lie = [](MultipathReport& report) {
    for (auto& path : report.paths) path.at_ns = report.clock_ns - UINT32_MAX * uint64_t{1'000};
  };
  simulation.run(3, 100 * MBIT);
  CHECK(sound(simulation.scheduler));
}

TEST_CASE("lost packets of a session that has ended are never sent again") {
  Simulation simulation({{20 * MBIT, 10}, {20 * MBIT, 10}});
  simulation.run(1);
  MultipathReport report;
  report.session_index = SESSION;
  report.greatest = simulation.sent_packets;
  report.clock_ns = simulation.now + 123'456 * NS_PER_SECOND;
  report.first_word = report.greatest / 64 - 4;
  report.word_count = 5;
  report.words = {};
  report.paths[report.path_count++] = {report.greatest, report.clock_ns};
  report.paths[report.path_count++] = {report.greatest - 1, report.clock_ns};
  REQUIRE(simulation.scheduler.report(report, simulation.now));
  uint64_t counter;
  size_t len;
  CHECK(simulation.scheduler.next_lost(counter, len) != nullptr);
  simulation.renew_session();
  CHECK(simulation.scheduler.next_lost(counter, len) == nullptr);
}

TEST_CASE("jumps of the counter hold nothing back for long and keep nothing for ever") {
  const uint64_t last = ~uint64_t{0} - (uint64_t{1} << 13) - 2;
  PathReceiver receiver;
  ReplayWindow window;
  std::vector<uint64_t> released;
  const ReorderBuffer::Release release = [&](uint8_t* packet, size_t) {
    uint64_t counter;
    std::memcpy(&counter, packet, sizeof counter);
    released.push_back(counter);
  };
  uint64_t now = NS_PER_SECOND;
  receiver.request({.round = 1, .hold_us = UINT32_MAX}, address_of(0), now);
  CHECK(receiver.hold_ns() <= 400 * NS_PER_MS);
  size_t arrived = 0;
  const auto arrive = [&](uint64_t counter) {
    if (!window.commit(counter)) return false;
    arrived++;
    if (!receiver.in_session(SESSION)) receiver.use_session(SESSION, counter);
    receiver.arrived(counter, 0, true, now, now);
    REQUIRE(receiver.ordering(window));
    uint8_t bytes[8];
    std::memcpy(bytes, &counter, sizeof counter);
    if (receiver.order.due(counter)) {
      released.push_back(counter);
      receiver.order.passed(counter, release);
    } else {
      receiver.order.hold(counter, receiver.order.copy(bytes, 8), 8, now, release);
    }
    uint8_t report[MultipathReport::MAX_BYTES];
    MultipathReport read;
    CHECK(read.read(report, receiver.write_report(window, now, report)));
    return true;
  };
  CHECK(arrive(0));
  CHECK(arrive(1));
  for (const uint64_t jump : {uint64_t{20'000}, uint64_t{1} << 32, uint64_t{1} << 63, last - 3}) {
    CHECK(arrive(jump));
    CHECK(arrive(jump + 2));
    CHECK(arrive(jump + 1));
    // Old ones: too late for the window, or known.
    CHECK_FALSE(arrive(1));
    CHECK_FALSE(arrive(jump + 1));
    CHECK_FALSE(arrive(jump - ReplayWindow::WINDOW - 1));
  }
  CHECK(arrive(last));
  now += receiver.hold_ns();
  CHECK(receiver.deadline() <= now);
  receiver.order.expire(now, receiver.hold_ns(), release);
  CHECK(receiver.order.empty());
  CHECK(released.size() == arrived);
  CHECK(std::is_sorted(released.begin(), released.end()));
}

TEST_CASE("a flow that is in order never waits for the gap of another") {
  PathReceiver receiver;
  const auto packet = [](uint16_t port, uint32_t sequence) {
    return make_packet({.payload = 1'000, .sequence = sequence, .source_port = port});
  };
  const auto passes = [&](uint64_t counter, const Bytes& bytes, uint64_t now) {
    const bool pass = receiver.may_pass(counter, bytes.data(), bytes.size(), now);
    const ReorderBuffer::Release none = [](uint8_t*, size_t) {};
    if (pass) receiver.order.passed(counter, none);
    else receiver.order.hold(counter, receiver.order.copy(bytes.data(), bytes.size()), bytes.size(), now, none);
    return pass;
  };
  receiver.order.start(0);
  uint64_t counter = 0, now = NS_PER_SECOND;
  CHECK(passes(counter++, packet(1, 0), now));
  CHECK(passes(counter++, packet(2, 0), now));
  counter++;  // The second one of flow 1 is missing.
  for (uint32_t i = 1; i < 1'000; i++) {
    REQUIRE_FALSE(passes(counter++, packet(1, (i + 1) * 1'000), now += 1'000));
    REQUIRE(passes(counter++, packet(2, i * 1'000), now += 1'000));
  }
}
