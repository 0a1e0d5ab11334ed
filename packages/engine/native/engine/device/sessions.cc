#include "device/sessions.h"

#include <utility>

namespace asterism {
namespace {

/** Unlinks the session everywhere; its keys are wiped when the last data thread is done with it. */
void discard(DeviceState& state, Session* session) {
  if (session == nullptr) return;
  state.sessions.remove(session);
  state.epochs.retire(session);
}

}  // namespace

void install_session_of(DeviceState& state, Peer& peer, Session* session) {
  const std::lock_guard lock(state.session_mutex);
  session->peer = &peer;
  session->unconfirmed.store(!session->initiator, std::memory_order_relaxed);
  Session* current = peer.current.load(std::memory_order_relaxed);
  state.sessions.insert(session);
  if (!session->initiator) {
    discard(state, std::exchange(peer.next, session));
    discard(state, std::exchange(peer.previous, nullptr));
    return;
  }
  Session* previous = std::exchange(peer.previous, current);
  peer.current.store(session, std::memory_order_release);
  discard(state, previous);
  if (peer.next == nullptr) return;
  // Both sides initiated: packets may still come in the session where we answered.
  Session* next = std::exchange(peer.next, nullptr);
  next->unconfirmed.store(false, std::memory_order_relaxed);
  discard(state, std::exchange(peer.previous, next));
}

bool remove_session(DeviceState& state, Peer& peer, uint32_t local_index) {
  const std::lock_guard lock(state.session_mutex);
  Session* current = peer.current.load(std::memory_order_relaxed);
  if (current != nullptr && current->local_index == local_index) {
    peer.current.store(nullptr, std::memory_order_release);
    discard(state, current);
    return true;
  }
  for (Session** slot : {&peer.previous, &peer.next}) {
    if (*slot != nullptr && (*slot)->local_index == local_index) {
      discard(state, std::exchange(*slot, nullptr));
      return true;
    }
  }
  return false;
}

void remove_all_sessions(DeviceState& state, Peer& peer) {
  const std::lock_guard lock(state.session_mutex);
  discard(state, peer.current.exchange(nullptr, std::memory_order_acq_rel));
  discard(state, std::exchange(peer.previous, nullptr));
  discard(state, std::exchange(peer.next, nullptr));
}

bool promote_next(DeviceState& state, Peer& peer, Session* session) {
  const std::lock_guard lock(state.session_mutex);
  if (peer.next != session) return false;
  Session* old = std::exchange(peer.previous, peer.current.load(std::memory_order_relaxed));
  peer.next = nullptr;
  session->unconfirmed.store(false, std::memory_order_relaxed);
  peer.current.store(session, std::memory_order_release);
  discard(state, old);
  return true;
}

}  // namespace asterism
