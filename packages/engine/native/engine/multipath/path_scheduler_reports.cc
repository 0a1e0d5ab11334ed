// What the scheduler asks its peer, and learns from the answers.
#include <algorithm>

#include "base/clock.h"
#include "multipath/path_scheduler.h"

namespace asterism {
namespace {

constexpr uint64_t REQUEST_INTERVAL_NS = NS_PER_SECOND / 2;
/** A path is dead when nothing arrives for a round trip and this. */
constexpr uint64_t SILENCE_NS = 150 * NS_PER_MS;
constexpr unsigned MAX_UNANSWERED = 20;
/** A packet is lost when this many later ones of its path have arrived. */
constexpr uint64_t LATER_ARRIVALS = 2;
constexpr unsigned MAX_RESENDS = 3;
constexpr size_t MAX_LOST = 4096;
/** For noticing and sending again what was lost, beyond spread and round trip. */
constexpr uint64_t RECOVERY_NS = 35 * NS_PER_MS;
/** Word of a loss takes a round trip and the time between two reports, and this thread may be busy. */
constexpr uint64_t NOTICING_NS = 15 * NS_PER_MS;
/** A receiver's clock that goes this much faster or slower than ours was set, or is a lie. */
constexpr uint64_t MAX_CLOCK_DRIFT_NS = 60 * NS_PER_SECOND;
/** How often paths rest, how long after their backlog, and with it at most. */
constexpr uint64_t STRETCH_NS = 10 * NS_PER_SECOND;
constexpr uint64_t REST_NS = 5 * NS_PER_MS;
constexpr uint64_t MAX_REST_NS = 40 * NS_PER_MS;

}  // namespace

bool PathScheduler::report(const MultipathReport& report, uint64_t now) {
  if (!has_session_ || report.session_index != session_index_ || report.greatest >= next_counter_) return false;
  // Reports come by several paths: an older one has nothing to tell.
  if (last_clock_ns_ != 0 && report.clock_ns <= last_clock_ns_ && now - last_report_at_ < NS_PER_SECOND) return true;
  follow_clock(report.clock_ns, now);
  last_clock_ns_ = report.clock_ns;
  last_report_at_ = now;
  informed_ = true;
  unanswered_requests_ = 0;
  greatest_reported_ = report.greatest;
  note_arrivals(report, now);
  note_received(report, now);
  rest_paths(now);
  give_up_below(report.first_word * 64);
  find_lost(report, now);
  refresh_noticing();
  refresh_hold(now);
  return true;
}

/** Keeps the receiver's times near ours; where its clock was set, what was learnt by the old one is void. */
void PathScheduler::follow_clock(uint64_t clock_ns, uint64_t now) {
  const uint64_t offset = clock_ns - now;
  const uint64_t drift = offset - clock_offset_ns_ + MAX_CLOCK_DRIFT_NS;
  if (informed_ && drift <= 2 * MAX_CLOCK_DRIFT_NS) return;
  clock_offset_ns_ = offset;
  for (Known& known : known_) known.estimate = PathEstimator();
  for (const Path& path : paths_) known_[path.slot].estimate.set_cap(path.cap_bytes_per_second);
}

/**
 * Estimates of delay from a standing queue would grow for ever. Paths may lead through the same line, also those of other
 * peers: so all rest at the same time.
 */
void PathScheduler::rest_paths(uint64_t now) {
  const uint64_t stretch = now / STRETCH_NS;
  if (stretch == stretch_) return;
  const bool rested = stretch > stretch_ + 1;
  stretch_ = stretch;
  uint64_t until = now;
  for (const Path& path : paths_) {
    if (usable(path)) until = std::max(until, now + known_[path.slot].estimate.backlog_ns(now));
  }
  until = std::min(until + REST_NS, now + MAX_REST_NS);
  for (const Path& path : paths_) {
    PathEstimator& estimate = known_[path.slot].estimate;
    estimate.begin_stretch();
    if (rested) estimate.begin_stretch();
    estimate.rest(until);
  }
}

uint64_t PathScheduler::least_round_trip_ns() const {
  uint64_t least = UINT64_MAX;
  for (const Path& path : paths_) {
    if (usable(path)) least = std::min(least, known_[path.slot].round_trip_ns);
  }
  return least;
}

void PathScheduler::refresh_noticing() {
  const uint64_t round_trip = least_round_trip_ns();
  if (round_trip != UINT64_MAX) noticing_ns_ = round_trip + NOTICING_NS;
}

/** The peer should know soon if the time that packets are worth waiting for has changed much. */
void PathScheduler::refresh_hold(uint64_t now) {
  const uint32_t hold = hold_us(now);
  const uint32_t change = hold > requested_hold_us_ ? hold - requested_hold_us_ : requested_hold_us_ - hold;
  if (change > requested_hold_us_ / 4) request_due_at_ = std::min(request_due_at_, now);
}

void PathScheduler::note_arrivals(const MultipathReport& report, uint64_t now) {
  for (unsigned i = 0; i < report.path_count; i++) {
    SentPacket* packet = ring_.find(report.paths[i].counter);
    // What went twice came by a path that nobody knows; what was heard of before tells nothing new.
    if (packet == nullptr || packet->resent != 0 || packet->state != SentState::in_flight) continue;
    if (packet->slot == SentPacket::NO_SLOT) continue;
    Known& known = known_[packet->slot];
    if (packet->path_sequence <= known.arrived_sequence) continue;
    const uint64_t held = report.clock_ns - report.paths[i].at_ns;
    const uint64_t elapsed = now - packet->sent.sent_ns;
    const uint64_t round_trip = elapsed > held ? elapsed - held : 0;
    known.round_trip_ns = known.round_trip_ns == 0 || round_trip < known.round_trip_ns
                              ? round_trip
                              : (known.round_trip_ns * 15 + round_trip) / 16;
    known.estimate.set_round_trip(known.round_trip_ns);
    known.estimate.arrived(packet->sent, report.paths[i].at_ns - clock_offset_ns_);
    settle(*packet, now);
  }
}

void PathScheduler::note_received(const MultipathReport& report, uint64_t now) {
  for (unsigned word = 0; word < report.word_count; word++) {
    const uint64_t base = (report.first_word + word) * 64;
    uint64_t bits = report.words[word];
    if (base + 64 <= floor_) continue;
    while (bits != 0) {
      const uint64_t counter = base + static_cast<unsigned>(__builtin_ctzll(bits));
      bits &= bits - 1;
      SentPacket* packet = ring_.find(counter);
      if (packet != nullptr && packet->state != SentState::arrived) settle(*packet, now);
    }
  }
}

void PathScheduler::settle(SentPacket& packet, uint64_t now) {
  packet.state = SentState::arrived;
  if (packet.slot == SentPacket::NO_SLOT) return;
  Known& known = known_[packet.slot];
  // A packet that was sent again may have arrived by the way it went first.
  if (packet.resent == 0) {
    known.dead = false;
    known.arrived_sequence = std::max(known.arrived_sequence, packet.path_sequence);
    known.waiting_since = known.arrived_sequence < known.sent_sequence ? now : 0;
  } else if (packet.path_sequence == known.sent_sequence) {
    known.waiting_since = 0;
  }
}

/** What the receiver does not wait for any more is settled, one way or the other. */
void PathScheduler::give_up_below(uint64_t counter) {
  counter = std::min(counter, next_counter_);
  for (floor_ = first_remembered(); floor_ < counter; floor_++) {
    SentPacket* packet = ring_.find(floor_);
    if (packet == nullptr || packet->state != SentState::in_flight) continue;
    // No word of it: between two reports it may as well have arrived.
    packet->state = SentState::arrived;
  }
}

void PathScheduler::find_lost(const MultipathReport& report, uint64_t now) {
  const uint64_t end = std::min(next_counter_, report.greatest + 1);
  for (uint64_t counter = std::max(first_remembered(), report.first_word * 64); counter < end; counter++) {
    SentPacket* packet = ring_.find(counter);
    if (packet == nullptr || packet->state != SentState::in_flight) continue;
    Known& known = known_[packet->slot];
    if (!seems_lost(*packet, known, report.clock_ns - clock_offset_ns_)) continue;
    if (packet->path_sequence < known.arrived_sequence) known.estimate.lost(packet->len);
    lose(*packet);
    lost_at_ = now;
  }
}

/** At `clock_ns` of the receiver's. */
bool PathScheduler::seems_lost(const SentPacket& packet, const Known& known, uint64_t clock_ns) const {
  if (packet.path_sequence + LATER_ARRIVALS <= known.arrived_sequence) return true;
  // Where enough are right behind it they will tell; else they may come too late for sending it again.
  const auto ends = [&packet](uint64_t last) {
    return packet.path_sequence <= last && packet.path_sequence + LATER_ARRIVALS > last;
  };
  const bool overtaken = packet.path_sequence < known.arrived_sequence;
  if (!overtaken && !ends(known.sent_sequence) && !ends(known.paused_sequence)) return false;
  return known.estimate.overdue(packet.sent, packet.len, clock_ns);
}

void PathScheduler::lose(SentPacket& packet) {
  Known& known = known_[packet.slot];
  packet.state = SentState::lost;
  known.lost_packets++;
  if (packet.resent < MAX_RESENDS && packet.kept && lost_.size() < MAX_LOST) lost_.push_back(packet.counter);
}

/** Everything that is under way on the path goes by others. */
void PathScheduler::bury(Known& known) {
  known.dead = true;
  known.waiting_since = 0;
  known.arrived_sequence = known.sent_sequence;
  const auto slot = static_cast<uint8_t>(&known - known_.data());
  for (uint64_t counter = first_remembered(); counter < next_counter_; counter++) {
    SentPacket* packet = ring_.find(counter);
    if (packet != nullptr && packet->slot == slot && packet->state == SentState::in_flight) lose(*packet);
  }
}

void PathScheduler::tick(uint64_t now) {
  uint64_t round_trip = 0;
  for (const Path& path : paths_) round_trip = std::max(round_trip, known_[path.slot].round_trip_ns);
  if (now - last_report_at_ > round_trip + REPORTS_MISSED_NS) {
    // Perhaps they come by a path that is dead: the next requests choose another.
    if (informed_) request_due_at_ = std::min(request_due_at_, requested_at_ + REQUEST_INTERVAL_NS / 5);
    return;
  }
  for (const Path& path : paths_) {
    Known& known = known_[path.slot];
    if (known.dead || known.waiting_since == 0 || now - known.waiting_since < known.round_trip_ns + SILENCE_NS) continue;
    bury(known);
  }
}

bool PathScheduler::take_request(MultipathRequest& request, uint64_t now) {
  if (now < request_due_at_ || paths_.size() < 2) return false;
  const bool searching = !informed_ || std::any_of(known_.begin(), known_.end(), [](const Known& known) {
    return known.carries && (known.dead || !known.estimate.known());
  });
  const bool missed = now - last_report_at_ > REPORTS_MISSED_NS;
  const bool hopeless = unanswered_requests_ > MAX_UNANSWERED;
  requested_at_ = now;
  request_due_at_ = now + (hopeless ? 10 * REQUEST_INTERVAL_NS
                           : searching || missed ? REQUEST_INTERVAL_NS / 5 : REQUEST_INTERVAL_NS);
  if (++unanswered_requests_ > MAX_UNANSWERED) informed_ = false;
  request.round = ++request_round_;
  request.hold_us = requested_hold_us_ = hold_us(now);
  return true;
}

uint32_t PathScheduler::hold_us(uint64_t now) const {
  int64_t least = INT64_MAX, most = INT64_MIN;
  unsigned usable_paths = 0;
  for (const Path& path : paths_) {
    if (!usable(path)) continue;
    usable_paths++;
    const PathEstimator& estimate = known_[path.slot].estimate;
    const auto packet_ns = static_cast<int64_t>(PathEstimator::PACKET_BYTES * LATER_ARRIVALS * 1e9 / estimate.rate());
    least = std::min(least, estimate.delay_ns());
    most = std::max(most, estimate.delay_ns() + static_cast<int64_t>(estimate.queueing_ns()) + packet_ns);
  }
  if (usable_paths < 2) return 0;
  const uint64_t spread = static_cast<uint64_t>(most - least) + PathEstimator::TARGET_NS;
  // What is not kept is not sent again either.
  const uint64_t recovery = ring_.stays_ns(now) >= noticing_ns_ ? least_round_trip_ns() + RECOVERY_NS : 0;
  return static_cast<uint32_t>(std::min(spread + recovery, MAX_HOLD_NS) / 1000);
}

}  // namespace asterism
