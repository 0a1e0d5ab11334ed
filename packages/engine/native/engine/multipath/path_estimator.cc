#include "multipath/path_estimator.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/clock.h"

namespace asterism {
namespace {

constexpr double LOSS_SAMPLE_BYTES = 200e3;
constexpr uint64_t WINDOW_NS = 30 * NS_PER_MS;
/** While the rate is a guess. */
constexpr uint64_t SHORT_WINDOW_NS = 9 * NS_PER_MS;
/** Less may seem to queue because this machine was late. */
constexpr uint64_t WINDOW_BYTES = 2 * PathEstimator::PACKET_BYTES;
constexpr double AVERAGE_NS = 120.0 * NS_PER_MS;
/** A queue of less than this and of two packets is none. */
constexpr uint64_t QUEUE_NS = 3 * NS_PER_MS / 2;
/** A path with nothing to do for this long says nothing of its rate. */
constexpr uint64_t IDLE_NS = 10 * NS_PER_MS;
/** Beyond this the path drops because it is full; below, losses are taken for chance. */
constexpr double FULL_LOSS = 0.05;
constexpr uint64_t MIN_TARGET_NS = NS_PER_MS;
/** A packet is overdue after this, and after so many times what others were off of late. */
constexpr double OVERDUE_NS = 5e6;
constexpr double OVERDUE_JITTERS = 2;
/** How much faster a path is tried each round trip while it shows no limit. */
constexpr double GROWTH = 0.5;
constexpr double MIN_RATE = 8e3;
constexpr double MAX_RATE = 12.5e9;

}  // namespace

PathEstimator::Sent PathEstimator::sent(size_t bytes, uint64_t now) {
  // What comes first after a rest finds no queue, which says nothing of the rate either.
  if (now > last_sent_ + IDLE_NS || now < rests_until_ + TARGET_NS / 2) idle_bytes_ = sent_bytes_ + bytes;
  last_sent_ = now;
  sent_bytes_ += bytes;
  const uint64_t turn = std::max(free_at_, now);
  free_at_ = turn + service_ns(bytes);
  return {now, static_cast<int64_t>(turn) - correction_ns_, sent_bytes_, idle_bytes_};
}

void PathEstimator::arrived(const Sent& packet, uint64_t arrived_ns) {
  const int64_t delay = static_cast<int64_t>(arrived_ns - packet.sent_ns);
  if (std::exchange(stale_, false)) delay_min_[1] = INT64_MAX;
  delay_min_[0] = std::min(delay_min_[0], delay);
  known_ = true;
  arrived_bytes_ = std::max(arrived_bytes_, packet.path_bytes);
  queueing_ns_ = static_cast<uint64_t>(delay - delay_ns());
  follow(packet, queueing_ns_);
  measure_rate(packet, arrived_ns);
}

bool PathEstimator::overdue(const Sent& packet, size_t bytes, uint64_t clock_ns) const {
  if (!known_) return false;
  const int64_t turn = std::max(packet.turn_ns + correction_ns_, static_cast<int64_t>(packet.sent_ns));
  // The least delay may be that of a small packet.
  const int64_t late = static_cast<int64_t>(clock_ns) - (turn + static_cast<int64_t>(service_ns(bytes)) + delay_ns());
  return static_cast<double>(late) > std::max(OVERDUE_NS, OVERDUE_JITTERS * jitter_ns_);
}

void PathEstimator::begin_stretch() {
  stale_ = delay_min_[0] == INT64_MAX;
  if (stale_) return;
  delay_min_[1] = delay_min_[0];
  delay_min_[0] = INT64_MAX;
}

void PathEstimator::rest(uint64_t until) {
  // One whose limit has not shown has no queue.
  if (!growing_) rests_until_ = until;
}

/** Moves the picture of the queue. Packets that this or that machine was late with must not: the least of three counts. */
void PathEstimator::follow(const Sent& packet, uint64_t queueing_ns) {
  const int64_t wait = static_cast<int64_t>(packet.sent_ns + queueing_ns) - packet.turn_ns;
  jitter_ns_ = std::max(std::abs(static_cast<double>(wait - correction_ns_)), jitter_ns_ * 15 / 16);
  recent_[recent_count_++ % recent_.size()] = wait;
  const unsigned count = std::min<unsigned>(recent_count_, recent_.size());
  const int64_t measured = *std::min_element(recent_.begin(), recent_.begin() + count);
  // A capped path has room that it is not meant to use.
  if (cap_ > 0 && rate_ >= cap_ && measured < correction_ns_) return;
  const int64_t step = measured - correction_ns_;
  free_at_ = static_cast<uint64_t>(std::max<int64_t>(static_cast<int64_t>(free_at_) + step, 0));
  correction_ns_ = measured;
}

void PathEstimator::measure_rate(const Sent& packet, uint64_t arrived_ns) {
  const bool idle_between = window_bytes_ < packet.idle_bytes;
  if (window_began_ == 0 || idle_between || packet.path_bytes < window_bytes_ || arrived_ns < window_began_) {
    return begin_window(packet.path_bytes, arrived_ns);
  }
  window_queueing_ = std::min(window_queueing_, queueing_ns_);
  // Busy until now if this packet joined the queue before the last one had left.
  window_busy_ &= queueing_ns_ >= arrived_ns - window_last_;
  window_last_ = arrived_ns;
  const uint64_t elapsed = arrived_ns - window_began_;
  const uint64_t bytes = packet.path_bytes - window_bytes_;
  if (elapsed < (growing_ || (guessed_ && window_busy_) ? SHORT_WINDOW_NS : WINDOW_NS) || bytes < WINDOW_BYTES) return;
  const auto passed = static_cast<double>(bytes);
  note_losses(passed);
  const bool full = loss_ > FULL_LOSS;
  const bool saturated = window_queueing_ > QUEUE_NS + 2 * service_ns(PACKET_BYTES) || full;
  const double measured = (full ? passed * (1 - loss_) : passed) * 1e9 / static_cast<double>(elapsed);
  if (saturated) {
    // A guess does not count against what was measured.
    const bool replaces = guessed_ && window_busy_;
    const double share = replaces ? 1 : std::min(1.0, static_cast<double>(elapsed) / AVERAGE_NS);
    if (replaces) guessed_ = false;
    set_rate(rate_ + (measured - rate_) * share);
    growing_ = false;
  } else {
    const auto span = static_cast<double>(elapsed);
    const double step = 1 + GROWTH * span / std::max(span, static_cast<double>(round_trip_ns_));
    if (measured > rate_) set_rate(std::min(measured, rate_ * 2));
    else if (pressed_) set_rate(rate_ * step);
    guessed_ |= pressed_;
    growing_ = pressed_ || held_back_;
  }
  at_ease_ = !saturated && !growing_;
  target_ns_ = full ? std::max(MIN_TARGET_NS, target_ns_ * 7 / 10) : std::min(TARGET_NS, target_ns_ * 21 / 20);
  begin_window(packet.path_bytes, arrived_ns);
  pressed_ = held_back_ = false;
}

void PathEstimator::begin_window(uint64_t path_bytes, uint64_t arrived_ns) {
  window_bytes_ = path_bytes;
  window_began_ = window_last_ = arrived_ns;
  window_queueing_ = UINT64_MAX;
  window_busy_ = true;
}

/** Losses are judged by many packets: one of ten says nothing. */
void PathEstimator::note_losses(double passed) {
  judged_bytes_ += passed;
  if (judged_bytes_ < LOSS_SAMPLE_BYTES) return;
  loss_ = std::min(static_cast<double>(lost_bytes_) / judged_bytes_, 1.0);
  judged_bytes_ = 0;
  lost_bytes_ = 0;
}

void PathEstimator::set_cap(double bytes_per_second) {
  cap_ = bytes_per_second;
  set_rate(rate_);
}

void PathEstimator::set_rate(double bytes_per_second) {
  rate_ = std::clamp(bytes_per_second, MIN_RATE, cap_ > 0 ? std::clamp(cap_, MIN_RATE, MAX_RATE) : MAX_RATE);
  ns_per_byte_ = 1e9 / rate_;
}

}  // namespace asterism
