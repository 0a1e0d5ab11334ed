#include "multipath/path_receiver.h"

#include <algorithm>

#include "base/clock.h"

namespace asterism {
namespace {

constexpr uint64_t REPORT_INTERVAL_NS = 10 * NS_PER_MS;
/** While something is missing, word of it is urgent. */
constexpr uint64_t URGENT_INTERVAL_NS = 5 * NS_PER_MS;
/** A report says again what this many counters before the last one were about: that one may be lost. */
constexpr uint64_t REPEATED_COUNTERS = 64;
constexpr uint64_t MAX_HOLD_NS = 400 * NS_PER_MS;

}  // namespace

void PathReceiver::request(const MultipathRequest& request, const PathAddress& from, uint64_t now) {
  if (requested_at_ == 0 || request.round != round_) {
    round_ = request.round;
    reply_to_ = from;
  }
  requested_at_ = now;
  hold_ns_ = std::min(uint64_t{request.hold_us} * 1000, MAX_HOLD_NS);
  report_at_ = std::min(report_at_, std::max(now, reported_at_ + URGENT_INTERVAL_NS));
}

void PathReceiver::use_session(uint32_t index, uint64_t next) {
  has_session_ = true;
  session_index_ = index;
  order.start(next);
  reported_next_ = next;
  for (Arrival& arrival : arrivals_) arrival = {};
}

void PathReceiver::arrived(uint64_t counter, unsigned slot, bool data, uint64_t at_ns, uint64_t now) {
  arrivals_[slot] = {counter, at_ns};
  if (!data || report_at_ <= now) return;
  const uint64_t interval = order.empty() ? REPORT_INTERVAL_NS : URGENT_INTERVAL_NS;
  report_at_ = std::min(report_at_, std::max(now, reported_at_ + interval));
}

bool PathReceiver::ordering(const ReplayWindow& window) {
  if (hold_ns_ > 0) {
    if (!ordering_) order.start(window.next());
    ordering_ = true;
  } else if (order.empty()) {
    ordering_ = false;
  }
  return ordering_;
}

bool PathReceiver::may_pass(uint64_t counter, const uint8_t* packet, size_t len, uint64_t now) {
  const FlowPacket flow = FlowPacket::read(packet, len);
  const FlowPositions::Place place = positions.place(flow);
  const bool pass = order.due(counter) || place == FlowPositions::Place::in_order ||
                    (place == FlowPositions::Place::unknown && rates.small(flow, now));
  if (pass) positions.delivered(flow);
  return pass;
}

size_t PathReceiver::write_report(const ReplayWindow& window, uint64_t now, uint8_t* to) {
  MultipathReport report;
  report.session_index = session_index_;
  report.greatest = window.next() - 1;
  report.clock_ns = now;
  for (Arrival& arrival : arrivals_) {
    if (arrival.at_ns == 0 || arrival.counter > report.greatest) continue;
    report.paths[report.path_count++] = {arrival.counter, arrival.at_ns};
    arrival = {};
  }
  const uint64_t missing_from = std::min(ordering_ ? order.next() : report.greatest, reported_next_);
  const uint64_t from = missing_from > REPEATED_COUNTERS ? missing_from - REPEATED_COUNTERS : 0;
  const uint64_t last_word = report.greatest / 64;
  report.first_word = std::max(from / 64, last_word - std::min<uint64_t>(last_word, MultipathReport::MAX_WORDS - 1));
  report.word_count = static_cast<unsigned>(last_word - report.first_word + 1);
  for (unsigned i = 0; i < report.word_count; i++) report.words[i] = window.word(report.first_word + i);
  reported_next_ = window.next();
  reported_at_ = now;
  // While packets wait for one that is missing, the sender may have nothing to send until it has learnt of that.
  report_at_ = order.empty() ? UINT64_MAX : now + URGENT_INTERVAL_NS;
  return report.write(to);
}

uint64_t PathReceiver::deadline() const {
  return std::min(report_at_, order.empty() ? UINT64_MAX : order.oldest_ns() + hold_ns_);
}

}  // namespace asterism
