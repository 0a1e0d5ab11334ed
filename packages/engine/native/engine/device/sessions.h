// The life of a peer's sessions: previous, current, next (WireGuard paper §6; §5.4.5 for the responder's wait).
#pragma once

#include "device/shared.h"

namespace asterism {

/** Takes the session over. Control thread. */
void install_session_of(DeviceState& state, Peer& peer, Session* session);
/** False if the peer has no such session. Control thread. */
bool remove_session(DeviceState& state, Peer& peer, uint32_t local_index);
void remove_all_sessions(DeviceState& state, Peer& peer);
/** Makes the confirmed `next` session current. Any thread; false if it is not next any more. */
bool promote_next(DeviceState& state, Peer& peer, Session* session);

}  // namespace asterism
