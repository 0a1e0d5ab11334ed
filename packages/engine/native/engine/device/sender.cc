#include "device/sender.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "packet/ip.h"
#include "packet/mss_clamp.h"
#include "packet/oversize.h"
#include "wire/demux.h"

namespace asterism {
namespace {

constexpr uint64_t SESSION_NEEDED_INTERVAL_NS = NS_PER_SECOND;
/** Largest packet that fits a datagram with all headers. */
constexpr size_t MAX_INNER_BYTES = 65487 - TRANSPORT_OVERHEAD_BYTES - CHANNEL_HEADER_BYTES;

}  // namespace

Sender::Sender(DeviceState& state, Workers& workers)
    : state_(state), workers_(workers), groups_(state, &workers.send_line()), fragment_id_(static_cast<uint32_t>(now_ns())) {
  tasks_.push_back(std::make_unique<SealTask>());
  task_ = tasks_[0].get();
}

bool Sender::step() {
  now_ = now_ns();
  run_commands();
  unsigned reads = 0;
  while (reads < READS_PER_STEP && forward_one()) reads++;
  serve_spreads();
  groups_.flush();
  finish_tasks();
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
      state_.counters->drop(Drop::staging_dropped, peer->tx.staged.count() + drop_waiting(*peer));
      while (peer->tx.staged.pop() != nullptr) continue;
      break;
    case CommandKind::keepalive:
      send_keepalive(*peer);
      break;
    case CommandKind::send_inner:
      std::memcpy(frame(), command.bytes.data(), command.bytes.size());
      deliver(*peer, command.bytes.size());
      break;
    case CommandKind::send_report:
      send_report(*peer, command);
      break;
    case CommandKind::take_report:
      take_report(*peer, command);
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
    state_.counters->drop(Drop::staging_full, staging_.push(peer.tx.staged, frame(), len));
    flush_staged(peer);
    return;
  }
  send_frame(peer, *session, *paths, len);
}

void Sender::send_frame(Peer& peer, Session& session, const PathTable& paths, size_t len) {
  const VnetHeader vnet = load_raw<VnetHeader>(frame());
  const size_t packet_len = len - sizeof vnet;
  groups_.begin_piece();
  if (packet()[0] >> 4 == 0) {
    // Agent to agent: no IP packet, sent as it is.
    uint64_t counter;
    if (session.reserve_counters(1, counter)) send_packet(peer, session, paths, packet(), packet_len, counter);
    return;
  }
  if (!task_->splitter.start(vnet, packet(), packet_len)) {
    state_.counters->drop(Drop::bad_offload);
    return;
  }
  // What the kernel leaves to be split is no SYN.
  if (task_->splitter.count() == 1) clamp_mss(packet(), packet_len, largest_packet(paths));
  send_packets(peer, session, paths);
}

void Sender::send_packets(Peer& peer, Session& session, const PathTable& paths) {
  Splitter& splitter = task_->splitter;
  Spread* spread = spread_of(peer, session, paths);
  // The first packet of a frame is its largest.
  if (splitter.packet_len(0) > paths.inner_limit) return send_oversize(peer, session, paths);
  const bool spreads = spread != nullptr && spread->scheduler.informed(now_);
  unsigned index;
  if (spreads) {
    index = spread->waiting.empty() ? spread->scheduler.coasting(now_) : PathScheduler::NONE;
    if (index == PathScheduler::NONE) return spread_packets(peer, session, paths, *spread);
  } else {
    index = first_path(spread, paths);
  }
  const size_t count = splitter.count();
  uint64_t counter;
  if (!session.reserve_counters(count, counter)) return state_.counters->drop(Drop::session_expired, count);
  if (spreads) {
    spread->scheduler.coasted(counter + count, now_);
    deadline_ = std::min(deadline_, spread->next_tick_at);
  }
  const bool noted = !spreads;
  if (worth_a_task(paths, index, noted)) return send_as_task(peer, session, paths.paths[index], counter);
  for (size_t i = 0; i < count; i++) {
    const Splitter::Packet part = splitter.next();
    send_by(peer, session, paths, index, part.data, part.len, counter + i, noted);
  }
}

/** For what is not spread. */
unsigned Sender::first_path(const Spread* spread, const PathTable& paths) const {
  const unsigned fastest = spread == nullptr ? PathScheduler::NONE : spread->scheduler.fastest(now_);
  return fastest == PathScheduler::NONE ? paths.first : fastest;
}

size_t Sender::largest_packet(const PathTable& paths) const {
  return std::min<size_t>(state_.mtu_bytes, paths.inner_limit);
}

void Sender::send_oversize(Peer& peer, Session& session, const PathTable& paths) {
  Splitter& splitter = task_->splitter;
  for (size_t i = 0; i < splitter.count(); i++) {
    const Splitter::Packet part = splitter.next();
    const bool oversize = part.len > paths.inner_limit;
    // One report will do for what the host sends in one go.
    const bool reported = oversize && must_be_reported(part.data, part.len);
    if (reported && i == 0) report_too_big(part.data, part.len, paths.inner_limit);
    if (reported && !may_be_fragmented(part.data)) {
      return state_.counters->drop(Drop::inner_too_large, splitter.count() - i);
    }
    if (oversize) {
      send_fragments(peer, session, paths, part.data, part.len);
      continue;
    }
    uint64_t counter;
    if (!session.reserve_counters(1, counter)) return state_.counters->drop(Drop::session_expired);
    send_packet(peer, session, paths, part.data, part.len, counter);
  }
}

void Sender::report_too_big(const uint8_t* packet, size_t len, size_t mtu) {
  uint8_t* frame = scratch_.data();
  const VnetHeader vnet{};
  std::memcpy(frame, &vnet, sizeof vnet);
  const size_t written = write_too_big(frame + sizeof vnet, packet, len, mtu);
  if (written == 0) return;
  if (::write(state_.tun.fd(), frame, sizeof vnet + written) < 0) {
    state_.counters->drop(errno == EIO ? Drop::interface_down : Drop::interface_refused);
  }
}

void Sender::send_fragments(Peer& peer, Session& session, const PathTable& paths, const uint8_t* packet, size_t len) {
  Fragmenter fragmenter;
  if (!fragmenter.start(packet, len, paths.inner_limit, fragment_id_++)) return state_.counters->drop(Drop::path_mtu);
  uint8_t* fragment = scratch_.data() + SCRATCH_OFFSET;
  for (size_t size = fragmenter.next(fragment); size != 0; size = fragmenter.next(fragment)) {
    uint64_t counter;
    if (!session.reserve_counters(1, counter)) return state_.counters->drop(Drop::session_expired);
    groups_.begin_piece();
    send_packet(peer, session, paths, fragment, size, counter);
  }
}

void Sender::send_packet(Peer& peer, Session& session, const PathTable& paths, uint8_t* packet, size_t len,
                         uint64_t counter) {
  send_by(peer, session, paths, first_path(spread_of(peer, session, paths), paths), packet, len, counter);
}

void Sender::send_by(Peer& peer, Session& session, const PathTable& paths, unsigned index, uint8_t* packet, size_t len,
                     uint64_t counter, bool noted) {
  const Path& path = paths.paths[index];
  const DatagramLayout layout = datagram_layout(path.to.channel, len, largest_packet(paths));
  if (layout.padded_len > MAX_INNER_BYTES) return state_.counters->drop(Drop::too_large);
  uint8_t* room = groups_.room(peer, path, layout.datagram_len());
  if (!seal_datagram(session, SEND_READER, counter, layout, packet, len, room)) {
    return state_.counters->drop(Drop::seal_failed);
  }
  const bool traffic = is_traffic(packet, len);
  if (noted && paths.spread()) {
    deadline_ = std::min(deadline_, peer.tx.spread->next_tick_at);
    peer.tx.spread->scheduler.sent(counter, index, room + layout.prefix_len, layout.message_len, traffic, now_);
  }
  const bool redundant = paths.second != PathTable::NONE;
  if (redundant) duplicate_.assign(room + layout.prefix_len, room + layout.datagram_len());
  groups_.added(layout.datagram_len(), layout.message_len, traffic);
  if (redundant) send_sealed(peer, paths.paths[paths.second], duplicate_.data(), duplicate_.size(), traffic);
}

void Sender::send_sealed(Peer& peer, const Path& path, const uint8_t* message, size_t len, bool data) {
  const size_t prefix = path.to.channel != 0 ? CHANNEL_HEADER_BYTES : 0;
  uint8_t* room = groups_.room(peer, path, prefix + len);
  if (prefix != 0) {
    store_be16(room, path.to.channel);
    store_be16(room + 2, static_cast<uint16_t>(len));
  }
  std::memcpy(room + prefix, message, len);
  groups_.added(prefix + len, len, data);
}

bool Sender::worth_a_task(const PathTable& paths, unsigned index, bool noted) const {
  const size_t count = task_->splitter.count();
  if (workers_.count() == 0 || count < MIN_TASK_PACKETS || count > SealTask::MAX_PACKETS) return false;
  if (paths.second != PathTable::NONE || (noted && paths.spread())) return false;
  const Path& path = paths.paths[index];
  const DatagramLayout layout = datagram_layout(path.to.channel, task_->splitter.packet_len(0), largest_packet(paths));
  return layout.padded_len <= MAX_INNER_BYTES && groups_.has_room_for_piece(path, count, layout.datagram_len());
}

/** Gives the packets their places; sealing them there is the task. */
void Sender::send_as_task(Peer& peer, Session& session, const Path& path, uint64_t counter) {
  SealTask& task = *task_;
  task.groups = &groups_;
  task.counters = state_.counters.get();
  task.session = &session;
  task.first_counter = counter;
  task.channel = path.to.channel;
  task.mtu_bytes = std::min<size_t>(state_.mtu_bytes, inner_limit(path));
  for (size_t i = 0; i < task.splitter.count(); i++) {
    const DatagramLayout layout = datagram_layout(task.channel, task.splitter.packet_len(i), task.mtu_bytes);
    uint8_t* room = groups_.room(peer, path, layout.datagram_len());
    task.places[i] = {room, groups_.added_unsealed(layout.datagram_len(), layout.message_len)};
  }
  workers_.publish(workers_.send_line(), task);
  next_task();
}

/** Finds a free task for the next frame. */
void Sender::next_task() {
  TaskLine& line = workers_.send_line();
  if (tasks_.size() == 1) {
    for (unsigned i = 0; i < TaskLine::SIZE; i++) tasks_.push_back(std::make_unique<SealTask>());
  }
  if (line.full()) {
    Workers::finish(line, *line.oldest(), SEND_READER);
    line.take();
  }
  task_index_ = (task_index_ + 1) % tasks_.size();
  task_ = tasks_[task_index_].get();
}

void Sender::finish_tasks() {
  TaskLine& line = workers_.send_line();
  while (const Task* task = line.oldest()) {
    Workers::finish(line, *task, SEND_READER);
    line.take();
  }
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
  groups_.begin_piece();
  if (session->reserve_counters(1, counter)) send_packet(peer, *session, *paths, packet(), 0, counter);
}

}  // namespace asterism
