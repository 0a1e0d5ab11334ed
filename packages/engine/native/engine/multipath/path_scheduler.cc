#include "multipath/path_scheduler.h"

#include <algorithm>

#include "base/clock.h"

namespace asterism {
namespace {

constexpr double RESEND_SHARE = 0.15;
constexpr double MAX_RESEND_BYTES = 1'000'000;
/** What may wait beyond what the spread of the paths' delays explains. */
constexpr double WAITING_NS = 60e6;
constexpr double MIN_WAITING_BYTES = 128e3;
/** While a path may turn out to be faster, what waits for it is not too much. */
constexpr double GROWING_RATE = 15e6;
constexpr double MAX_WAITING_BYTES = 3e6;
/** Slower paths are taken into use as if this much more waited: a sender that speeds up will have it waiting soon. */
constexpr double EAGERNESS = 2;
/** Paths whose limits are known are full when so much waits for them, and it is worth looking again after so long without a crowd. */
constexpr double FULL_NS = 40e6;
constexpr uint64_t CALM_NS = 120 * NS_PER_MS;
/** Delays that differ less disturb no slow start. */
constexpr double MIN_FILLING_SPREAD_NS = 3e6;
/** A loss holds up what is behind it; more are likely for so long. */
constexpr uint64_t LOSSY_NS = NS_PER_SECOND;
/** A path that would deliver so much later is as good: what goes by the same one is sent, and received, in one piece. */
constexpr int64_t SAME_PATH_NS = 200'000;
/** The same for what is pictured to wait for a path at ease: while the machines are the limit, pieces cost more than time. */
constexpr int64_t AT_EASE_NS = 3'000'000;
/** What a path does while it is not watched comes to light so late. */
constexpr uint64_t COASTING_NS = 200 * NS_PER_MS;
/** How long, beyond a round trip, a path is watched before. */
constexpr uint64_t WATCHED_NS = 70 * NS_PER_MS;

}  // namespace

void PathScheduler::use(const PathTable& table, uint32_t session_index, uint64_t session) {
  if (!has_session_ || session != session_) begin_session(session_index, session);
  if (table.version == paths_version_) return;
  paths_version_ = table.version;
  paths_ = table.paths;
  coasts_until_ = 0;
  standby_only_ = std::none_of(paths_.begin(), paths_.end(), [](const Path& path) { return path.weight > 0; });
  std::array<const Path*, MAX_PATHS> in_slot{};
  for (const Path& path : paths_) in_slot[path.slot] = &path;
  for (uint8_t slot = 0; slot < MAX_PATHS; slot++) {
    const Path* path = in_slot[slot];
    Known& known = known_[slot];
    if (known.used && (path == nullptr || !(known.to == path->to))) forget(slot);
    if (path == nullptr) continue;
    const bool carried = known.used && known.carries;
    known.to = path->to;
    known.used = true;
    known.carries = carries(*path);
    known.estimate.set_cap(path->cap_bytes_per_second);
    if (known.carries && !carried) request_due_at_ = 0;
  }
}

void PathScheduler::begin_session(uint32_t index, uint64_t session) {
  ring_.clear();
  has_session_ = true;
  session_index_ = index;
  session_ = session;
  coasts_until_ = 0;
  floor_ = next_counter_ = greatest_reported_ = 0;
  lost_.clear();
  lost_first_ = 0;
  for (Known& known : known_) {
    known.arrived_sequence = known.sent_sequence;
    known.waiting_since = 0;
  }
}

/** What is under way on a path that is gone goes by others; another one may get its slot. */
void PathScheduler::forget(uint8_t slot) {
  for (uint64_t counter = first_remembered(); counter < next_counter_; counter++) {
    SentPacket* packet = ring_.find(counter);
    if (packet == nullptr || packet->slot != slot) continue;
    if (packet->state == SentState::in_flight) lose(*packet);
    packet->slot = SentPacket::NO_SLOT;
  }
  known_[slot] = {};
}

bool PathScheduler::usable(const Path& path) const {
  const Known& known = known_[path.slot];
  return known.carries && known.estimate.known() && !known.dead;
}

unsigned PathScheduler::fastest(uint64_t now, unsigned except) const {
  unsigned best = NONE;
  int64_t best_arrival = 0;
  for (unsigned i = 0; i < paths_.size(); i++) {
    if (i == except || !usable(paths_[i])) continue;
    const int64_t arrival = estimate(i).arrival_ns(PathEstimator::PACKET_BYTES, now);
    if (best != NONE && arrival >= best_arrival) continue;
    best = i;
    best_arrival = arrival;
  }
  return best;
}

unsigned PathScheduler::choose(size_t bytes, size_t waiting, uint64_t now) {
  unsigned first = NONE, ready = NONE;
  int64_t first_arrival = 0, ready_arrival = 0;
  for (unsigned i = 0; i < paths_.size(); i++) {
    if (!usable(paths_[i])) continue;
    PathEstimator& path = known_[paths_[i].slot].estimate;
    const int64_t arrival = path.arrival_ns(bytes, now);
    if (first == NONE || arrival < first_arrival) first = i, first_arrival = arrival;
    if (!path.has_room(now)) {
      path.press(now);
      continue;
    }
    if (ready == NONE || arrival < ready_arrival) ready = i, ready_arrival = arrival;
  }
  if (ready != first) crowded_at_ = now;
  if (ready == NONE) return NONE;
  if (ready == first) {
    if (!goes_on(bytes, ready_arrival, now)) last_ = go_by(ready, now);
    return last_;
  }
  // Through the faster paths, the last of what waits arrives in order when the latest of them has delivered it: what goes
  // by a slower one should not arrive after that.
  double faster_rate = 0;
  int64_t latest_arrival = first_arrival;
  for (const Path& path : paths_) {
    if (!usable(path)) continue;
    const PathEstimator& other = known_[path.slot].estimate;
    const int64_t arrival = other.arrival_ns(bytes, now);
    if (arrival >= ready_arrival) continue;
    faster_rate += other.rate();
    latest_arrival = std::max(latest_arrival, arrival);
  }
  const double wait_ns = EAGERNESS * static_cast<double>(waiting) * 1e9 / std::max(faster_rate, 1.0);
  return static_cast<double>(ready_arrival - latest_arrival) <= wait_ns ? go_by(ready, now) : NONE;
}

unsigned PathScheduler::go_by(unsigned index, uint64_t now) {
  if (index != last_) alone_since_ = now;
  return index;
}

/** The last packet's path serves as well as one by which this packet would arrive at `arrival_ns`. */
bool PathScheduler::goes_on(size_t bytes, int64_t arrival_ns, uint64_t now) const {
  if (last_ >= paths_.size() || !usable(paths_[last_])) return false;
  const PathEstimator& path = estimate(last_);
  if (!path.has_room(now)) return false;
  const int64_t later = path.arrival_ns(bytes, now) - arrival_ns;
  if (later <= SAME_PATH_NS) return true;
  const auto backlog = static_cast<int64_t>(path.backlog_ns(now));
  return path.at_ease() && later <= AT_EASE_NS && later - backlog <= SAME_PATH_NS;
}

uint64_t PathScheduler::room_at() const {
  uint64_t at = UINT64_MAX;
  for (const Path& path : paths_) {
    if (usable(path)) at = std::min(at, known_[path.slot].estimate.room_at());
  }
  return at;
}

/** One packet is enough for a sender to slow down; what it does shows after a round trip. More go only if nothing helps. */
bool PathScheduler::drops(size_t waiting, uint64_t now) {
  const size_t limit = waiting_limit();
  if (waiting < limit) return false;
  if (waiting >= 2 * limit) return true;
  uint64_t longest = 0;
  for (const Path& path : paths_) longest = std::max(longest, known_[path.slot].round_trip_ns);
  if (now - dropped_at_ < 4 * longest + 3 * static_cast<uint64_t>(WAITING_NS)) return false;
  dropped_at_ = now;
  return true;
}

PathScheduler::Sum PathScheduler::sum() const {
  Sum sum;
  int64_t least = INT64_MAX, most = INT64_MIN;
  for (const Path& path : paths_) {
    if (!usable(path)) continue;
    const PathEstimator& estimate = known_[path.slot].estimate;
    sum.rate += estimate.rate();
    sum.growing |= estimate.growing();
    least = std::min(least, estimate.delay_ns());
    most = std::max(most, estimate.delay_ns());
  }
  if (sum.rate > 0) sum.spread_ns = std::min(static_cast<double>(most - least), static_cast<double>(MAX_HOLD_NS));
  return sum;
}

size_t PathScheduler::waiting_limit() const {
  const Sum all = sum();
  if (all.rate == 0) return static_cast<size_t>(MIN_WAITING_BYTES);
  const double rate = all.growing ? std::max(all.rate, GROWING_RATE) : all.rate;
  return static_cast<size_t>(std::clamp(rate * (all.spread_ns + WAITING_NS) / 1e9, MIN_WAITING_BYTES, MAX_WAITING_BYTES));
}

bool PathScheduler::filling(size_t waiting, uint64_t now) {
  const Sum all = sum();
  if (now - crowded_at_ > CALM_NS) full_ = false;
  if (!all.growing && static_cast<double>(waiting) > all.rate * FULL_NS / 1e9) full_ = true;
  return !full_ && (all.spread_ns >= MIN_FILLING_SPREAD_NS || now - lost_at_ < LOSSY_NS);
}

void PathScheduler::sent(uint64_t counter, unsigned index, const uint8_t* message, size_t len, bool data, uint64_t now) {
  if (const SentPacket* old = ring_.find(counter - SentRing::COUNTERS); old != nullptr) give_up_below(old->counter + 1);
  SentPacket& packet = ring_.add(counter, len);
  note_sent(packet, index, now);
  ring_.keep(packet, message, now, noticing_ns_);
  if (next_counter_ == 0) floor_ = counter;
  next_counter_ = counter + 1;
  if (data) last_data_at_ = now;
  resend_allowance_ = std::min(resend_allowance_ + RESEND_SHARE * static_cast<double>(len), MAX_RESEND_BYTES);
}

unsigned PathScheduler::coasting(uint64_t now) {
  if (last_ >= paths_.size() || !usable(paths_[last_])) return NONE;
  if (now < coasts_until_) return last_;
  if (coasts_until_ != 0) {
    ring_.pause(now - coasts_until_ + COASTING_NS, now);
    coasts_until_ = 0;
    alone_since_ = now;
  }
  const uint64_t round_trip = round_trip_ns(last_);
  if (now - alone_since_ < round_trip + WATCHED_NS || now - last_report_at_ > round_trip + REPORTS_MISSED_NS) return NONE;
  if (!estimate(last_).at_ease() || paths_[last_].cap_bytes_per_second > 0) return NONE;
  if (ring_.stays_ns(now) >= noticing_ns_ || now - lost_at_ < LOSSY_NS) return NONE;
  coasts_until_ = now + COASTING_NS;
  return last_;
}

void PathScheduler::coasted(uint64_t next_counter, uint64_t now) {
  next_counter_ = next_counter;
  last_data_at_ = now;
}

void PathScheduler::sent_again(uint64_t counter, unsigned index, uint64_t now) {
  SentPacket* packet = ring_.find(counter);
  if (packet == nullptr) return;
  known_[paths_[index].slot].resent_packets++;
  resend_allowance_ -= packet->len;
  packet->resent++;
  packet->state = SentState::in_flight;
  note_sent(*packet, index, now);
}

void PathScheduler::note_sent(SentPacket& packet, unsigned index, uint64_t now) {
  packet.slot = paths_[index].slot;
  Known& known = known_[packet.slot];
  packet.sent = known.estimate.sent(packet.len, now);
  if (packet.sent.found_idle()) known.paused_sequence = known.sent_sequence;
  packet.path_sequence = ++known.sent_sequence;
  if (known.waiting_since == 0) known.waiting_since = now;
}

const uint8_t* PathScheduler::next_lost(uint64_t& counter, size_t& len) {
  while (lost_first_ < lost_.size()) {
    counter = lost_[lost_first_++];
    if (lost_first_ == lost_.size()) {
      lost_.clear();
      lost_first_ = 0;
    }
    const SentPacket* packet = ring_.find(counter);
    if (packet == nullptr || packet->state != SentState::lost || packet->len > resend_allowance_) continue;
    const uint8_t* message = ring_.sealed(*packet);
    if (message == nullptr) continue;
    len = packet->len;
    return message;
  }
  return nullptr;
}

}  // namespace asterism
