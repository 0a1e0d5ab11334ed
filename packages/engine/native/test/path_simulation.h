// Links, a sender that always has something to send, and a receiver, in virtual time; packets are counters.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "multipath/path_receiver.h"
#include "multipath/path_scheduler.h"
#include "random.h"
#include "wire/replay_window.h"

namespace asterism::test {

inline constexpr uint32_t SESSION = 77;
inline constexpr size_t PACKET_BYTES = 1452;

/** A queue that drains at a rate; several paths may lead through it. */
struct Line {
  double bytes_per_second;
  double queue_ms = 50;

  uint64_t free_at = 0;
  uint64_t worst_queue_ns = 0;

  /** When the packet that comes `at` has passed; 0 if it finds no room. */
  uint64_t pass(size_t bytes, uint64_t at) {
    const uint64_t start = std::max(free_at, at);
    if (static_cast<double>(start - at) > queue_ms * 1e6) return 0;
    worst_queue_ns = std::max(worst_queue_ns, start - at);
    free_at = start + static_cast<uint64_t>(static_cast<double>(bytes) * 1e9 / bytes_per_second);
    return free_at;
  }
};

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
  /** What comes behind its own queue, in this order. */
  std::vector<std::shared_ptr<Line>> shared = {};
  /** Nothing comes back this way. */
  bool cut_back = false;
  /** The way of the reports; 0 for no limit. */
  double back_bytes_per_second = 0;

  uint64_t free_at = 0;
  uint64_t back_free_at = 0;
  uint64_t delivered_bytes = 0;
  uint64_t worst_queue_ns = 0;
  uint64_t sent_bytes = 0;
};

inline PathAddress address_of(unsigned index) {
  PathAddress address;
  address.link = index;
  return address;
}

/** A sender that always has something to send, links, and a receiver; packets are counters. */
class Simulation {
 public:
  explicit Simulation(std::vector<SimulatedLink> with, uint64_t seed = 1) : links(std::move(with)), random(seed) {
    std::vector<Path> paths;
    for (unsigned i = 0; i < links.size(); i++) {
      paths.push_back({.to = address_of(i), .weight = 1, .slot = static_cast<uint8_t>(i)});
    }
    use(std::move(paths));
    receiver.use_session(SESSION, 0);
  }

  /** `to.link` of a path is an index of `links`. */
  void use(std::vector<Path> paths) {
    table_.mode = PathMode::aggregate;
    table_.version++;
    table_.paths = std::move(paths);
    scheduler.use(table_, SESSION, session_);
  }

  /** A new session of the same name. */
  void renew_session() {
    scheduler.use(table_, SESSION, ++session_);
    window_ = ReplayWindow();
    receiver.order.flush(release_);
    receiver.use_session(SESSION, 0);
    flights_ = {};
    counter_ = next_in_order_ = 0;
  }

  /** `offered`: bytes per second that the sender has, 0 for as much as fits. */
  void run(double seconds, double offered = 0) {
    const uint64_t end = now + static_cast<uint64_t>(seconds * 1e9);
    for (; now < end; now += STEP_NS) {
      allowance_ += offered * STEP_NS / 1e9;
      if (now >= received_at_ + receiver_pause_ns) take_arrivals();
      serve_receiver();
      take_reports();
      serve_sender(offered);
    }
  }

  /** `offered` bytes per second, all that comes in an interval at its beginning. */
  void bursts(unsigned count, double interval_seconds, double offered) {
    constexpr double STEP = STEP_NS / 1e9;
    for (unsigned i = 0; i < count; i++) {
      run(STEP, offered * interval_seconds / STEP);
      // 0 would be as much as fits.
      run(interval_seconds - STEP, 1e-9);
    }
  }

  /** What reached the receiver's host, in order or not, in bytes per second since the last call. */
  double goodput() {
    const double rate = static_cast<double>(released_bytes_) * 1e9 / static_cast<double>(now - measured_at_);
    released_bytes_ = 0;
    measured_at_ = now;
    return rate;
  }

  /** Index in `links` of where the last packet went. */
  unsigned last_link() const { return scheduler.paths()[last_].to.link; }

  std::vector<SimulatedLink> links;
  PathScheduler scheduler;
  PathReceiver receiver;
  uint64_t now = 1'000 * NS_PER_SECOND;
  uint64_t out_of_order = 0;
  uint64_t sent_packets = 0;
  /** How often a packet went by another path than the one before. */
  uint64_t turns = 0;
  /** Those that the scheduler did not hear of, each. */
  uint64_t coasted_packets = 0;
  uint64_t resent_bytes = 0;
  uint64_t report_bytes = 0;
  uint64_t requests = 0;
  uint64_t longest_silence_ns = 0;
  /** The receiver's thread takes what has come only so often. */
  uint64_t receiver_pause_ns = 0;
  /** Changes what the receiver tells before the sender hears it. */
  std::function<void(MultipathReport&)> lie = [](MultipathReport&) {};

 private:
  static constexpr uint64_t STEP_NS = NS_PER_MS / 4;
  /** The receiver's clock has nothing to do with ours. */
  static constexpr uint64_t CLOCK_OFFSET_NS = 123'456 * NS_PER_SECOND;

  /** WireGuard, UDP and IP. */
  static constexpr size_t HEADERS_BYTES = 60;
  static constexpr unsigned ARRIVES = UINT32_MAX;

  struct Flight {
    uint64_t at;
    uint64_t counter;
    unsigned link;
    size_t bytes;
    bool data;
    /** How many lines it has passed; ARRIVES behind the last. */
    unsigned stage;
    bool operator<(const Flight& other) const { return at > other.at; }
  };
  struct Answer {
    uint64_t at;
    std::vector<uint8_t> bytes;
  };

  void transmit(uint64_t counter, unsigned index, size_t bytes, bool data) {
    const unsigned number = scheduler.paths()[index].to.link;
    SimulatedLink& link = links[number];
    link.sent_bytes += bytes;
    const uint64_t start = std::max(link.free_at, now);
    const uint64_t queue = start - now;
    if (link.cut || bytes > link.mtu_bytes || static_cast<double>(queue) > link.queue_ms * 1e6) return;
    link.worst_queue_ns = std::max(link.worst_queue_ns, queue);
    link.free_at = start + static_cast<uint64_t>(static_cast<double>(bytes) * 1e9 / link.bytes_per_second);
    if (random.below(1'000'000) < link.loss * 1e6) return;
    flights_.push({link.free_at, counter, number, bytes, data, 0});
  }

  /** Through the next line of its link, then all the way. */
  void go_on(Flight flight) {
    SimulatedLink& link = links[flight.link];
    if (flight.stage < link.shared.size()) {
      flight.at = link.shared[flight.stage++]->pass(flight.bytes, flight.at);
      if (flight.at != 0) flights_.push(flight);
      return;
    }
    flight.stage = ARRIVES;
    flight.at += static_cast<uint64_t>(link.delay_ms * 1e6);
    if (random.below(1'000'000) < link.reorder * 1e6) flight.at += static_cast<uint64_t>(link.reorder_ms * 1e6);
    flights_.push(flight);
    flight.at += NS_PER_MS;
    if (random.below(1'000'000) < link.duplicate * 1e6) flights_.push(flight);
  }

  void take_arrivals() {
    received_at_ = now;
    while (!flights_.empty() && flights_.top().at <= now) {
      const Flight flight = flights_.top();
      flights_.pop();
      if (flight.stage != ARRIVES) {
        go_on(flight);
        continue;
      }
      if (links[flight.link].cut || !window_.commit(flight.counter)) continue;
      links[flight.link].delivered_bytes += flight.data ? PACKET_BYTES : 0;
      if (!flight.data) receiver.request(request_, address_of(flight.link), clock());
      receiver.arrived(flight.counter, flight.link, flight.data, flight.at + CLOCK_OFFSET_NS, clock());
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
    SimulatedLink& way = links[link];
    report_bytes += bytes.size() + HEADERS_BYTES;
    if (way.cut || way.cut_back) return;
    if (way.back_bytes_per_second > 0) {
      const double passing = static_cast<double>(bytes.size() + HEADERS_BYTES) * 1e9 / way.back_bytes_per_second;
      way.back_free_at = std::max(way.back_free_at, now) + static_cast<uint64_t>(passing);
    }
    answers_.push_back({std::max(way.back_free_at, now) + static_cast<uint64_t>(way.delay_ms * 1e6), bytes});
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
      requests++;
      for (unsigned i = 0; i < scheduler.paths().size(); i++) {
        if (!scheduler.carries(scheduler.paths()[i])) continue;
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
      const unsigned coasts_by = waiting == 0 ? scheduler.coasting(now) : PathScheduler::NONE;
      if (coasts_by != PathScheduler::NONE) {
        scheduler.coasted(counter_ + 1, now);
        send_data(coasts_by);
        coasted_packets++;
        continue;
      }
      const unsigned index = scheduler.informed(now) ? scheduler.choose(PACKET_BYTES, waiting, now) : 0;
      if (index == PathScheduler::NONE || (!scheduler.informed(now) && i > 0)) return;
      scheduler.sent(counter_, index, message.data(), message.size(), true, now);
      send_data(index);
    }
  }

  void send_data(unsigned index) {
    transmit(counter_++, index, PACKET_BYTES, true);
    sent_packets++;
    if (std::exchange(last_, index) != index) turns++;
    allowance_ -= PACKET_BYTES;
  }

  uint64_t clock() const { return now + CLOCK_OFFSET_NS; }

  Random random;
  ReplayWindow window_;
  std::priority_queue<Flight> flights_;
  std::deque<Answer> answers_;
  MultipathRequest request_;
  PathTable table_;
  uint64_t session_ = 1;
  uint64_t counter_ = 0;
  unsigned last_ = PathScheduler::NONE;
  uint64_t next_tick_ = 0;
  uint64_t received_at_ = 0;
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

inline double sum_of(const Simulation& simulation) {
  double sum = 0;
  for (const SimulatedLink& link : simulation.links) sum += link.cut ? 0 : link.bytes_per_second;
  return sum;
}

inline constexpr double MBIT = 1e6 / 8;

}  // namespace asterism::test
