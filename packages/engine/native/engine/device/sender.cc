#include "device/sender.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "packet/ip.h"
#include "wire/demux.h"

namespace asterism {
namespace {

constexpr uint64_t SESSION_NEEDED_INTERVAL_NS = NS_PER_SECOND;
/** Largest packet that fits a datagram with all headers. */
constexpr size_t MAX_INNER_BYTES = 65487 - TRANSPORT_OVERHEAD_BYTES - CHANNEL_HEADER_BYTES;

/** WireGuard pads to 16 bytes, but not beyond the tunnel's MTU. */
size_t padded_len(size_t len, size_t mtu) {
  const size_t padded = (len + 15) & ~size_t{15};
  return len <= mtu ? std::min(padded, std::max(len, mtu)) : padded;
}

void write_channel_header(uint8_t* at, uint16_t channel, size_t len) {
  store_be16(at, channel);
  store_be16(at + 2, static_cast<uint16_t>(len));
}

}  // namespace

Sender::Sender(DeviceState& state) : state_(state), memory_(FRAME_BYTES), groups_(state) {}

bool Sender::step() {
  now_ = now_ns();
  run_commands();
  unsigned reads = 0;
  while (reads < READS_PER_STEP && forward_one()) reads++;
  groups_.flush();
  return reads == READS_PER_STEP;
}

void Sender::run_commands() {
  for (Command& command : state_.inbox.drain()) run(command);
}

void Sender::run(Command& command) {
  if (command.kind == CommandKind::forget_peer) {
    while (command.peer->tx.staged.pop() != nullptr) continue;
    state_.epochs.retire(command.peer);
    return;
  }
  Peer* peer = state_.peers.find(command.peer_id, command.peer_generation);
  if (peer == nullptr) return;
  switch (command.kind) {
    case CommandKind::flush_staged:
      flush_staged(*peer);
      break;
    case CommandKind::drop_staged:
      state_.counters->drop(Drop::staging_dropped, peer->tx.staged.count());
      while (peer->tx.staged.pop() != nullptr) continue;
      break;
    case CommandKind::keepalive:
      send_keepalive(*peer);
      break;
    case CommandKind::send_inner:
      std::memcpy(frame(), command.bytes.data(), command.bytes.size());
      deliver(*peer, command.bytes.size());
      break;
    case CommandKind::forget_peer:
      break;
  }
}

bool Sender::forward_one() {
  if (failed_) return false;
  const ssize_t got = ::read(state_.tun.fd(), frame(), sizeof(VnetHeader) + 65536);
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return false;
    // EIO while the interface is down; anything else means that it is gone.
    if (errno == EIO) return false;
    failed_ = true;
    state_.fail(std::string("the interface was deleted (") + strerror(errno) + ")");
    return false;
  }
  const size_t len = static_cast<size_t>(got);
  if (len <= sizeof(VnetHeader) || ip_packet_len(packet(), len - sizeof(VnetHeader)) == 0) {
    state_.counters->drop(Drop::not_ip);
    return true;
  }
  Peer* peer = destination(packet(), len - sizeof(VnetHeader));
  if (peer == nullptr) {
    state_.counters->drop(Drop::no_peer);
    return true;
  }
  deliver(*peer, len);
  return true;
}

Peer* Sender::destination(const uint8_t* packet, size_t) {
  const uint8_t* address = ip_destination(packet);
  return packet[0] >> 4 == 4 ? state_.allowed_ips.lookup_v4(address) : state_.allowed_ips.lookup_v6(address);
}

Session* Sender::usable_session(const Peer& peer) const {
  Session* session = peer.current.load(std::memory_order_acquire);
  if (session == nullptr || now_ >= session->expires_at_ns) return nullptr;
  return session->send_counter.load(std::memory_order_relaxed) < REJECT_AFTER_MESSAGES ? session : nullptr;
}

const PathTable* Sender::usable_paths(const Peer& peer) {
  const PathTable* paths = peer.paths.load(std::memory_order_acquire);
  return paths != nullptr && paths->first != PathTable::NONE ? paths : nullptr;
}

void Sender::deliver(Peer& peer, size_t len) {
  Session* session = usable_session(peer);
  const PathTable* paths = usable_paths(peer);
  if (session == nullptr || paths == nullptr) {
    stage(peer, len);
    return;
  }
  // A session may have come before the command to flush: what was staged goes first.
  if (!peer.tx.staged.empty()) {
    staging_.push(peer.tx.staged, frame(), len);
    flush_staged(peer);
    return;
  }
  send_frame(peer, *session, *paths, len);
}

void Sender::send_frame(Peer& peer, Session& session, const PathTable& paths, size_t len) {
  const VnetHeader vnet = load_raw<VnetHeader>(frame());
  const size_t packet_len = len - sizeof vnet;
  if (packet()[0] >> 4 == 0) {
    // Agent to agent: no IP packet, sent as it is.
    uint64_t counter;
    if (session.reserve_counters(1, counter)) seal(peer, session, paths, packet(), packet_len, counter);
    return;
  }
  if (!splitter_.start(vnet, packet(), packet_len)) {
    state_.counters->drop(Drop::bad_offload);
    return;
  }
  if (!seal_packets(peer, session, paths)) state_.counters->drop(Drop::session_expired, splitter_.count());
}

bool Sender::seal_packets(Peer& peer, Session& session, const PathTable& paths) {
  uint64_t counter;
  if (!session.reserve_counters(splitter_.count(), counter)) return false;
  for (size_t i = 0; i < splitter_.count(); i++) {
    const Splitter::Packet part = splitter_.next();
    seal(peer, session, paths, part.data, part.len, counter + i);
  }
  return true;
}

bool Sender::seal(Peer& peer, Session& session, const PathTable& paths, uint8_t* packet, size_t len,
                  uint64_t counter) {
  const size_t padded = padded_len(len, state_.mtu_bytes);
  if (padded > MAX_INNER_BYTES) {
    state_.counters->drop(Drop::too_large);
    return false;
  }
  const Path& path = paths.paths[paths.first];
  const size_t prefix = path.to.channel != 0 ? CHANNEL_HEADER_BYTES : 0;
  const size_t message_len = TRANSPORT_OVERHEAD_BYTES + padded;
  uint8_t* room = groups_.room(peer, path, prefix + message_len);
  uint8_t* message = room + prefix;
  // The padding lies on the next part of a super-packet: lend its bytes and put them back.
  uint8_t behind[16];
  std::memcpy(behind, packet + len, sizeof behind);
  std::memset(packet + len, 0, padded - len);
  const bool sealed = session.send.seal(SEND_READER, counter, packet, padded, message + TRANSPORT_HEADER_BYTES);
  std::memcpy(packet + len, behind, sizeof behind);
  if (!sealed) {
    state_.counters->drop(Drop::seal_failed);
    return false;
  }
  if (prefix != 0) write_channel_header(room, path.to.channel, message_len);
  store_le32(message, MESSAGE_TRANSPORT);
  store_le32(message + 4, session.remote_index);
  store_le64(message + 8, counter);
  if (paths.second != PathTable::NONE) duplicate_.assign(message, message + message_len);
  groups_.added(prefix + message_len, message_len, len > 0);
  if (paths.second != PathTable::NONE) send_duplicate(peer, paths.paths[paths.second], len > 0);
  return true;
}

void Sender::send_duplicate(Peer& peer, const Path& path, bool data) {
  const size_t prefix = path.to.channel != 0 ? CHANNEL_HEADER_BYTES : 0;
  const size_t len = duplicate_.size();
  uint8_t* room = groups_.room(peer, path, prefix + len);
  if (prefix != 0) write_channel_header(room, path.to.channel, len);
  std::memcpy(room + prefix, duplicate_.data(), len);
  groups_.added(prefix + len, len, data);
}

void Sender::stage(Peer& peer, size_t len) {
  set(peer.counters->last_staged_at, now_);
  const size_t dropped = staging_.push(peer.tx.staged, frame(), len);
  if (dropped > 0) state_.counters->drop(Drop::staging_full, dropped);
  if (peer.tx.session_needed_at != 0 && now_ - peer.tx.session_needed_at < SESSION_NEEDED_INTERVAL_NS) return;
  peer.tx.session_needed_at = now_;
  state_.post({.kind = EventKind::session_needed, .peer = peer.id, .peer_generation = peer.generation});
}

void Sender::flush_staged(Peer& peer) {
  Session* session = usable_session(peer);
  const PathTable* paths = usable_paths(peer);
  if (session == nullptr || paths == nullptr) return;
  while (const std::unique_ptr<StagedFrame> staged = peer.tx.staged.pop()) {
    std::memcpy(frame(), staged->bytes.get(), staged->len);
    send_frame(peer, *session, *paths, staged->len);
  }
}

void Sender::send_keepalive(Peer& peer) {
  Session* session = usable_session(peer);
  const PathTable* paths = usable_paths(peer);
  if (session == nullptr) return state_.counters->drop(Drop::no_session);
  if (paths == nullptr) return state_.counters->drop(Drop::no_path);
  uint64_t counter;
  if (session->reserve_counters(1, counter)) seal(peer, *session, *paths, packet(), 0, counter);
}

}  // namespace asterism
