#include "device/send_groups.h"

#include <linux/udp.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"

namespace asterism {
namespace {

/** How long a full socket buffer may hold up the send thread before the group is dropped. */
constexpr int SEND_WAIT_MS = 10;
/** At most one path-mtu event per address in this time. */
constexpr uint64_t OVERSIZE_REPORT_NS = NS_PER_SECOND;

}  // namespace

SendGroups::SendGroups(DeviceState& state, TaskLine* line)
    : state_(state), line_(line), memory_(GROUPS * GROUP_BYTES) {
  for (unsigned i = 0; i < GROUPS; i++) groups_[i].data = memory_.data() + i * GROUP_BYTES + HEADROOM_BYTES;
}

uint8_t* SendGroups::room(Peer& peer, const Path& path, size_t len) {
  uint8_t& open_group = peer.tx.open_group[path.slot];
  if (open_group != 0 && !fits(groups_[open_group - 1], path, len)) close(open_group - 1u);
  if (open_group == 0) open(free_group(), peer, path, len);
  room_group_ = open_group - 1u;
  Group& group = groups_[room_group_];
  iovec* piece = &group.pieces[group.piece_count - 1];
  if (needs_gap(group)) {
    uint8_t* start = static_cast<uint8_t*>(piece->iov_base) + piece->iov_len + AEAD_HEADROOM_BYTES;
    piece = &group.pieces[group.piece_count++];
    *piece = {start, 0};
  }
  return static_cast<uint8_t*>(piece->iov_base) + piece->iov_len;
}

bool SendGroups::fits(const Group& group, const Path& path, size_t len) const {
  return !group.ended && len <= group.segment_len && group.segments < group.max_segments &&
         group.len + len <= group.max_payload && group.path.to == path.to &&
         !(needs_gap(group) && group.piece_count == MAX_PIECES);
}

bool SendGroups::needs_gap(const Group& group) const {
  return group.last_piece != piece_ && group.unsealed.load(std::memory_order_acquire) != 0;
}

void SendGroups::open(unsigned index, Peer& peer, const Path& path, size_t len) {
  Group& group = groups_[index];
  const Link* link = state_.links.find(path.to.link);
  // A datagram that is known not to pass in one piece goes alone: the kernel fragments it, but never a group.
  const bool oversize = path.mtu_bytes != 0 && len > path.mtu_bytes;
  group.state = GroupState::open;
  group.pieces[0] = {group.data, 0};
  group.piece_count = 1;
  group.last_piece = piece_;
  group.len = 0;
  group.segment_len = len;
  group.segments = 0;
  group.ended = group.data_sent = false;
  group.opened = ++clock_;
  group.counted_bytes = 0;
  group.max_segments = link == nullptr || oversize ? 1 : link->max_segments();
  group.max_payload = path.to.remote.is_v6() ? MAX_PAYLOAD_V6 : MAX_PAYLOAD_V4;
  group.peer = &peer;
  group.path = path;
  peer.tx.open_group[path.slot] = static_cast<uint8_t>(index + 1);
  open_count_++;
}

unsigned SendGroups::added_unsealed(size_t len, size_t bytes) {
  const unsigned index = room_group_;
  groups_[index].unsealed.fetch_add(1, std::memory_order_relaxed);
  note_added(len, bytes, true);
  return index;
}

void SendGroups::note_added(size_t len, size_t bytes, bool data) {
  Group& group = groups_[room_group_];
  group.pieces[group.piece_count - 1].iov_len += len;
  group.last_piece = piece_;
  group.len += len;
  group.segments++;
  group.counted_bytes += bytes;
  group.data_sent |= data;
  if (len < group.segment_len) group.ended = true;
  const bool full = group.segments >= group.max_segments || group.len + group.segment_len > group.max_payload;
  if (group.ended || full) close(room_group_);
}

unsigned SendGroups::free_group() {
  unsigned oldest = GROUPS;
  for (unsigned i = 0; i < GROUPS; i++) {
    if (groups_[i].state == GroupState::free) return i;
    const bool open = groups_[i].state == GroupState::open;
    if (open && (oldest == GROUPS || groups_[i].opened < groups_[oldest].opened)) oldest = i;
  }
  const unsigned freed = closed_count_ > 0 ? closed_[closed_first_] : oldest;
  if (closed_count_ == 0) close(oldest);
  while (groups_[freed].state != GroupState::free) {
    if (!line_->run_one(SEND_READER)) relax();
    send_closed();
  }
  return freed;
}

bool SendGroups::has_room_for_piece(const Path& path, size_t count, size_t datagram_len) const {
  const Link* link = state_.links.find(path.to.link);
  if (link == nullptr || (path.mtu_bytes != 0 && datagram_len > path.mtu_bytes)) return false;
  const size_t per_group = std::min<size_t>(link->max_segments(), MAX_PAYLOAD_V6 / datagram_len);
  // One group more for what is open already, one for the shorter last datagram.
  return per_group > 0 && open_count_ + closed_count_ + count / per_group + 3 <= GROUPS;
}

void SendGroups::flush() {
  for (unsigned i = 0; open_count_ > 0 && i < GROUPS; i++) {
    if (groups_[i].state == GroupState::open) close(i);
  }
  while (closed_count_ > 0) {
    if (!line_->run_one(SEND_READER)) relax();
    send_closed();
  }
}

void SendGroups::close(unsigned index) {
  Group& group = groups_[index];
  group.peer->tx.open_group[group.path.slot] = 0;
  group.state = GroupState::closed;
  open_count_--;
  closed_[(closed_first_ + closed_count_++) % GROUPS] = static_cast<uint8_t>(index);
  send_closed();
}

/** Sends the closed groups that are sealed, in order. */
void SendGroups::send_closed() {
  while (closed_count_ > 0) {
    Group& group = groups_[closed_[closed_first_]];
    if (group.unsealed.load(std::memory_order_acquire) != 0) return;
    closed_first_ = (closed_first_ + 1) % GROUPS;
    closed_count_--;
    if (group.segments > 0) send(group);
    group.state = GroupState::free;
  }
}

void SendGroups::send(Group& group) {
  Link* link = state_.links.find(group.path.to.link);
  if (link != nullptr && link->is_stream()) return send_up(group);
  const int fd = link == nullptr ? -1 : link->fd(group.path.to.remote.is_v6());
  if (fd < 0) return state_.counters->drop(Drop::no_link, group.segments);
  note_times(group);
  int error = 0;
  if (send_message(fd, group, group.pieces.data(), group.piece_count, group.len, error)) return count(group);
  if (error == EMSGSIZE) report_oversize(*link, group);
  if (group.segments > 1 && (error == EMSGSIZE || error == EINVAL || error == EIO)) {
    // EMSGSIZE: the path takes less. EINVAL: an older kernel with 64 segments. EIO: no checksum offload.
    if (error == EINVAL) link->limit_segments(link->max_segments() > 64 ? 64 : 1);
    if (error == EIO) link->limit_segments(1);
    send_singly(fd, group);
    return;
  }
  const Drop reason = error == EMSGSIZE ? Drop::path_mtu : error == EAGAIN ? Drop::send_buffer_full : Drop::send_refused;
  state_.counters->drop(reason, group.segments);
}

/** Frames for a stream, which is carried by others. Without a channel a datagram is no frame. */
void SendGroups::send_up(const Group& group) {
  if (group.path.to.channel == 0) return state_.counters->drop(Drop::no_link, group.segments);
  note_times(group);
  if (state_.mailbox.push_frames(group.path.to.link, group.pieces.data(), group.piece_count, group.segment_len)) {
    return count(group);
  }
  state_.counters->drop(Drop::send_buffer_full, group.segments);
}

void SendGroups::send_singly(int fd, const Group& group) {
  unsigned sent = 0;
  for (unsigned i = 0; i < group.piece_count; i++) {
    uint8_t* data = static_cast<uint8_t*>(group.pieces[i].iov_base);
    for (size_t at = 0; at < group.pieces[i].iov_len; at += group.segment_len) {
      const iovec one = {data + at, std::min(group.segment_len, group.pieces[i].iov_len - at)};
      int error = 0;
      if (send_message(fd, group, &one, 1, one.iov_len, error)) {
        sent++;
      } else {
        state_.counters->drop(error == EMSGSIZE ? Drop::path_mtu
                              : error == EAGAIN ? Drop::send_buffer_full
                                                : Drop::send_refused);
      }
    }
  }
  if (sent > 0) count(group);
}

bool SendGroups::send_message(int fd, const Group& group, const iovec* pieces, unsigned piece_count, size_t len,
                              int& error) const {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = {};
  msghdr message{};
  message.msg_name = const_cast<sockaddr*>(group.path.to.remote.data());
  message.msg_namelen = group.path.to.remote.len();
  message.msg_iov = const_cast<iovec*>(pieces);
  message.msg_iovlen = piece_count;
  if (len > group.segment_len) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    const auto size = static_cast<uint16_t>(group.segment_len);
    std::memcpy(CMSG_DATA(header), &size, sizeof size);
  }
  for (int attempt = 0; attempt < 3; attempt++) {
    if (sendmsg(fd, &message, 0) >= 0) return true;
    error = errno;
    if (error == EAGAIN || error == ENOBUFS) {
      pollfd writable{fd, POLLOUT, 0};
      poll(&writable, 1, SEND_WAIT_MS);
    } else if (error != EINTR && error != ECONNREFUSED) {
      // ECONNREFUSED belongs to an earlier datagram.
      return false;
    }
  }
  return false;
}

/** Before the group leaves: the answer may be here before this thread runs on. */
void SendGroups::note_times(const Group& group) {
  const uint64_t now = now_ns();
  PeerCounters& counters = *group.peer->counters;
  set(counters.last_sent_at, now);
  if (group.data_sent) {
    set(counters.last_data_sent_at, now);
    if (get(counters.first_unanswered_sent_at) == 0) set(counters.first_unanswered_sent_at, now);
  }
  if (get(counters.first_unacknowledged_received_at) != 0) set(counters.first_unacknowledged_received_at, 0);
}

void SendGroups::count(const Group& group) {
  PeerCounters& counters = *group.peer->counters;
  PathCounters& path = counters.paths[group.path.slot];
  add(counters.tx_packets, group.segments);
  add(counters.tx_bytes, group.counted_bytes);
  if (group.path.relayed) add(counters.tx_relayed_packets, group.segments);
  add(path.tx_packets, group.segments);
  add(path.tx_bytes, group.counted_bytes);
}

void SendGroups::report_oversize(const Link& link, const Group& group) {
  const uint64_t now = now_ns();
  for (Oversize& entry : oversize_) {
    if (entry.to == group.path.to && entry.reported_at != 0) {
      if (now - entry.reported_at < OVERSIZE_REPORT_NS) return;
      entry.reported_at = 0;
    }
  }
  oversize_[oversize_next_++ % oversize_.size()] = {group.path.to, now};
  Event event{.kind = EventKind::path_mtu};
  event.from = group.path.to;
  event.mtu_bytes = link.path_mtu(group.path.to.remote);
  state_.post(std::move(event));
}

}  // namespace asterism
