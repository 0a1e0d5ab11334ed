// The sender's part for peers whose packets are spread over several paths.
#include <algorithm>

#include "base/clock.h"
#include "device/sender.h"
#include "wire/demux.h"

namespace asterism {
namespace {

constexpr uint64_t NEVER = UINT64_MAX;

}  // namespace

Spread* Sender::follow_spread(Peer& peer, Session& session, const PathTable& paths) {
  if (!paths.spread()) {
    end_spread(peer, session, paths);
    return nullptr;
  }
  if (peer.tx.spread == nullptr) start_spread(peer);
  peer.tx.spread->scheduler.use(paths, session.remote_index, session.serial);
  return peer.tx.spread.get();
}

void Sender::start_spread(Peer& peer) {
  peer.tx.spread = std::make_unique<Spread>();
  spreading_.push_back({peer.id, peer.generation});
  deadline_ = now_;
}

/** What waits goes by the one path that is left. */
void Sender::end_spread(Peer& peer, Session& session, const PathTable& paths) {
  const std::unique_ptr<Spread> spread = std::move(peer.tx.spread);
  peer.starting.set_active(false);
  for (BulkQueue& waiting = spread->waiting; !waiting.empty(); waiting.pop()) {
    size_t len;
    uint8_t* packet = waiting.front(len);
    uint64_t counter;
    groups_.begin_piece();
    if (session.reserve_counters(1, counter)) send_by(peer, session, paths, paths.first, packet, len, counter);
  }
}

void Sender::spread_packets(Peer& peer, Session& session, const PathTable& paths, Spread& spread) {
  Splitter& splitter = task_->splitter;
  PathScheduler& scheduler = spread.scheduler;
  now_ = now_ns();
  const bool bulk_only = paths.mode == PathMode::aggregate;
  const bool filling = scheduler.filling(spread.waiting.bytes(), now_);
  peer.starting.set_active(filling);
  size_t left = 0;
  for (size_t i = 0; i < splitter.count(); i++) left += splitter.packet_len(i);
  for (size_t i = 0; i < splitter.count(); i++) {
    const Splitter::Packet part = splitter.next();
    FlowPacket flow;
    if (filling || !bulk_only) flow = FlowPacket::read(part.data, part.len);
    if (filling && flow.tcp && flow.payload_len > 0) peer.starting.sent(flow);
    const bool small = !bulk_only && spread.flows.small(flow, now_);
    unsigned index = PathScheduler::NONE;
    if (small) {
      index = scheduler.fastest(now_);
    } else if (spread.waiting.empty()) {
      index = scheduler.choose(part.len + TRANSPORT_OVERHEAD_BYTES, left, now_);
    }
    left -= part.len;
    uint64_t counter;
    if (index != PathScheduler::NONE) {
      if (!session.reserve_counters(1, counter)) return state_.counters->drop(Drop::session_expired);
      send_by(peer, session, paths, index, part.data, part.len, counter);
    } else if (scheduler.drops(spread.waiting.bytes(), now_) || !spread.waiting.push(part.data, part.len)) {
      state_.counters->drop(Drop::paths_full);
    }
  }
  if (!spread.waiting.empty()) deadline_ = std::min(deadline_, scheduler.room_at());
}

void Sender::send_waiting(Peer& peer, Session& session, const PathTable& paths, Spread& spread) {
  BulkQueue& waiting = spread.waiting;
  groups_.begin_piece();
  for (; !waiting.empty(); waiting.pop()) {
    size_t len;
    uint8_t* packet = waiting.front(len);
    const unsigned index = !spread.scheduler.informed(now_)
                               ? paths.first
                               : spread.scheduler.choose(len + TRANSPORT_OVERHEAD_BYTES, waiting.bytes(), now_);
    uint64_t counter;
    if (index == PathScheduler::NONE || !session.reserve_counters(1, counter)) return;
    send_by(peer, session, paths, index, packet, len, counter);
  }
}

void Sender::send_lost(Peer& peer, const PathTable& paths, Spread& spread) {
  uint64_t counter;
  size_t len;
  while (const uint8_t* message = spread.scheduler.next_lost(counter, len)) {
    const unsigned first = spread.scheduler.fastest(now_);
    if (first == PathScheduler::NONE) return;
    groups_.begin_piece();
    // By two paths: there is no time for losing it again.
    const unsigned second = spread.scheduler.fastest(now_, first);
    if (second != PathScheduler::NONE) {
      send_sealed(peer, paths.paths[second], message, len, true);
      spread.scheduler.sent_again(counter, second, now_);
    }
    send_sealed(peer, paths.paths[first], message, len, true);
    spread.scheduler.sent_again(counter, first, now_);
  }
}

void Sender::send_requests(Peer& peer, Session& session, const PathTable& paths, Spread& spread) {
  MultipathRequest request;
  if (!spread.scheduler.take_request(request, now_)) return;
  uint8_t* message = scratch_.data() + SCRATCH_OFFSET;
  const size_t len = request.write(message);
  for (unsigned i = 0; i < paths.paths.size(); i++) {
    if (!spread.scheduler.carries(paths.paths[i])) continue;
    uint64_t counter;
    groups_.begin_piece();
    if (session.reserve_counters(1, counter)) send_by(peer, session, paths, i, message, len, counter);
  }
}

void Sender::send_report(Peer& peer, Command& command) {
  Session* session = usable_session(peer);
  const PathTable* paths = usable_paths(peer);
  if (session == nullptr || paths == nullptr) return;
  spread_of(peer, *session, *paths);
  const Path* via = paths->find(command.via);
  const unsigned index = via == nullptr ? paths->first : static_cast<unsigned>(via - paths->paths.data());
  uint8_t* message = scratch_.data() + SCRATCH_OFFSET;
  std::memcpy(message, command.bytes.data(), command.bytes.size());
  uint64_t counter;
  groups_.begin_piece();
  if (session->reserve_counters(1, counter)) send_by(peer, *session, *paths, index, message, command.bytes.size(), counter);
}

void Sender::take_report(Peer& peer, const Command& command) {
  MultipathReport report;
  if (peer.tx.spread == nullptr || !report.read(command.bytes.data(), command.bytes.size())) return;
  if (!peer.tx.spread->scheduler.report(report, now_)) return;
  show(peer, *peer.tx.spread);
  deadline_ = now_;
}

/** Returns how many there were. */
size_t Sender::drop_waiting(Peer& peer) {
  size_t count = 0;
  if (peer.tx.spread == nullptr) return count;
  for (BulkQueue& waiting = peer.tx.spread->waiting; !waiting.empty(); waiting.pop()) count++;
  return count;
}

/** What does not come from the host: packets whose turn has come, lost ones, requests. */
void Sender::serve_spreads() {
  if (spreading_.empty()) return;
  now_ = now_ns();
  if (now_ < deadline_) return;
  deadline_ = NEVER;
  std::erase_if(spreading_, [this](const Spreading& one) {
    Peer* peer = state_.peers.find(one.id, one.generation);
    if (peer == nullptr || peer->tx.spread == nullptr) return true;
    serve(*peer, *peer->tx.spread);
    return peer->tx.spread == nullptr;
  });
}

void Sender::serve(Peer& peer, Spread& spread) {
  Session* session = usable_session(peer);
  const PathTable* paths = usable_paths(peer);
  if (session == nullptr || paths == nullptr) {
    if (!spread.waiting.empty()) deadline_ = std::min(deadline_, now_ + PathScheduler::TICK_NS);
    return;
  }
  if (spread_of(peer, *session, *paths) == nullptr) return;
  PathScheduler& scheduler = spread.scheduler;
  if (now_ >= spread.next_tick_at) {
    scheduler.tick(now_);
    spread.next_tick_at = now_ + PathScheduler::TICK_NS;
  }
  peer.starting.set_active(scheduler.active(now_) && scheduler.filling(spread.waiting.bytes(), now_));
  if (scheduler.active(now_)) send_requests(peer, *session, *paths, spread);
  send_lost(peer, *paths, spread);
  send_waiting(peer, *session, *paths, spread);
  if (scheduler.active(now_)) deadline_ = std::min(deadline_, spread.next_tick_at);
  if (!spread.waiting.empty()) deadline_ = std::min(deadline_, std::max(scheduler.room_at(), now_ + NS_PER_MS / 2));
}

void Sender::show(Peer& peer, const Spread& spread) {
  const PathScheduler& scheduler = spread.scheduler;
  for (unsigned i = 0; i < scheduler.paths().size(); i++) {
    PathCounters& counters = peer.counters->paths[scheduler.paths()[i].slot];
    set(counters.rate, scheduler.estimate(i).known() ? static_cast<uint64_t>(scheduler.estimate(i).rate()) : 0);
    set(counters.round_trip, scheduler.round_trip_ns(i));
    set(counters.queueing, scheduler.estimate(i).queueing_ns());
    set(counters.lost_packets, scheduler.lost_packets(i));
    set(counters.resent_packets, scheduler.resent_packets(i));
    set(counters.dead, scheduler.dead(i) ? 1 : 0);
  }
}

}  // namespace asterism
