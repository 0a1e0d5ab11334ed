// The receiver's part for peers that spread their packets over several paths.
#include <algorithm>

#include "base/clock.h"
#include "device/receiver.h"

namespace asterism {

void Receiver::deliver_in_turn(Session& session, uint64_t counter, uint8_t* packet, size_t inner_len, bool in_place,
                               bool data) {
  PathReceiver* paths = session.peer->rx.paths.get();
  // What engines tell each other is no traffic that asks for a report.
  data &= inner_len > 0;
  if (data && keeps_back(*session.peer, packet, inner_len)) inner_len = 0;
  if (paths == nullptr || !follow_session(*paths, session)) return commit(packet, inner_len, in_place);
  paths->arrived(counter, run_.slot, data, arrived_at_, now_);
  deadline_ = std::min(deadline_, paths->deadline());
  if (!paths->ordering(session.replay)) return commit(packet, inner_len, in_place);
  releasing_ = paths;
  if (inner_len == 0 || paths->may_pass(counter, packet, inner_len, now_)) {
    commit(packet, inner_len, in_place);
    return paths->order.passed(counter, release_);
  }
  std::unique_ptr<uint8_t[]> copy = paths->order.copy(packet, inner_len);
  if (in_place) coalescer_.abandon();
  paths->order.hold(counter, std::move(copy), inner_len, now_, release_);
  deadline_ = std::min(deadline_, paths->deadline());
}

/** True if the packet is an acknowledgement that the host gets later, or a newer one in its place. */
bool Receiver::keeps_back(Peer& peer, const uint8_t* packet, size_t inner_len) {
  if (peer.rx.acks == nullptr) {
    if (!peer.starting.active()) return false;
    if (peer.rx.paths == nullptr) spreading_.push_back({peer.id, peer.generation});
    peer.rx.acks = std::make_unique<AckThinner>();
  }
  const bool kept = peer.rx.acks->keeps(packet, inner_len, peer.starting, now_);
  deadline_ = std::min(deadline_, peer.rx.acks->deadline());
  return kept;
}

/** False for what is left of an older session: it has counters of its own. */
bool Receiver::follow_session(PathReceiver& paths, Session& session) {
  if (paths.in_session(session.local_index)) return true;
  if (session.peer->current.load(std::memory_order_acquire) != &session) return false;
  releasing_ = &paths;
  paths.order.flush(release_);
  paths.use_session(session.local_index, session.replay.next());
  return true;
}

void Receiver::handle_multipath(Peer& peer, const uint8_t* message, size_t len) {
  // A report costs the send thread as much as dozens of packets.
  if (!peer.rx.multipath.take(now_)) return drop(Drop::rate_limited);
  MultipathRequest request;
  if (request.read(message, len)) {
    if (peer.rx.paths == nullptr) {
      if (peer.rx.acks == nullptr) spreading_.push_back({peer.id, peer.generation});
      peer.rx.paths = std::make_unique<PathReceiver>();
    }
    peer.rx.paths->request(request, from_, now_);
    deadline_ = std::min(deadline_, peer.rx.paths->deadline());
    return;
  }
  Command command{.kind = CommandKind::take_report, .peer_id = peer.id, .peer_generation = peer.generation};
  command.bytes.assign(message, message + std::min(len, MultipathReport::MAX_BYTES));
  if (!state_.inbox.push(std::move(command))) drop(Drop::inbox_full);
}

void Receiver::serve() {
  if (spreading_.empty()) return;
  now_ = now_ns();
  if (now_ < deadline_) return;
  deadline_ = UINT64_MAX;
  std::erase_if(spreading_, [this](const Spreading& one) {
    Peer* peer = state_.peers.find(one.id, one.generation);
    if (peer == nullptr) return true;
    serve(*peer);
    return peer->rx.paths == nullptr && peer->rx.acks == nullptr;
  });
  coalescer_.flush();
}

void Receiver::serve(Peer& peer) {
  std::unique_ptr<PathReceiver>& paths = peer.rx.paths;
  if (paths != nullptr) serve(peer, *paths);
  if (paths != nullptr && paths->forgotten(now_)) {
    paths->order.flush(release_);
    paths.reset();
  }
  std::unique_ptr<AckThinner>& acks = peer.rx.acks;
  if (acks != nullptr) serve(*acks);
  if (acks != nullptr && !peer.starting.active() && acks->deadline() == UINT64_MAX) acks.reset();
}

void Receiver::serve(AckThinner& acks) {
  size_t len;
  while (uint8_t* packet = acks.take(now_, len)) coalescer_.add(packet, len);
  // Once in a while, to notice that it is not needed any more.
  deadline_ = std::min({deadline_, acks.deadline(), now_ + NS_PER_SECOND});
}

void Receiver::serve(Peer& peer, PathReceiver& paths) {
  releasing_ = &paths;
  paths.order.expire(now_, paths.hold_ns(), release_);
  if (paths.report_due(now_)) {
    const Session* session = state_.sessions.find(paths.session_index());
    Command command{.kind = CommandKind::send_report, .peer_id = peer.id, .peer_generation = peer.generation};
    command.via = paths.reply_to();
    command.bytes.resize(MultipathReport::MAX_BYTES);
    if (session == nullptr || session->peer != &peer || session->replay.next() == 0) {
      paths.skip_report();
    } else {
      command.bytes.resize(paths.write_report(session->replay, now_, command.bytes.data()));
      if (!state_.inbox.push(std::move(command))) drop(Drop::inbox_full);
    }
  }
  // Once in a while, to notice that the peer does not ask any more.
  deadline_ = std::min({deadline_, paths.deadline(), now_ + 10 * NS_PER_SECOND});
}

}  // namespace asterism
