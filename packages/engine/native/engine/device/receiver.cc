#include "device/receiver.h"

#include <linux/udp.h>
#include <netinet/in.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/clock.h"
#include "device/sessions.h"
#include "packet/ip.h"
#include "packet/mss_clamp.h"

namespace asterism {
namespace {

/** What seems to have waited longer for this thread came before the host's clock was set. */
constexpr uint64_t MAX_LAG_NS = NS_PER_SECOND;

}  // namespace

void TunSink::write_packet(uint8_t* frame, size_t len) {
  if (::write(state_.tun.fd(), frame, len) >= 0) return;
  state_.counters->drop(errno == EIO ? Drop::interface_down : Drop::interface_refused);
}

Receiver::Receiver(DeviceState& state, Workers& workers)
    : state_(state), workers_(workers), memory_(BATCH * BUFFER_BYTES), sink_(state), coalescer_(sink_, state.tun.uso()) {
  for (unsigned i = 0; i < BATCH; i++) {
    vectors_[i] = {memory_.data() + i * BUFFER_BYTES + HEADROOM_BYTES, 65536};
    msghdr& header = messages_[i].msg_hdr;
    header.msg_name = &addresses_[i];
    header.msg_iov = &vectors_[i];
    header.msg_iovlen = 1;
    header.msg_control = &controls_[i];
  }
  release_ = [this](uint8_t* packet, size_t len) {
    releasing_->positions.delivered(FlowPacket::read(packet, len));
    coalescer_.add(packet, len);
  };
}

void Receiver::receive(Link& link, bool v6) {
  for (mmsghdr& message : messages_) {
    message.msg_hdr.msg_namelen = sizeof(sockaddr_in6);
    message.msg_hdr.msg_controllen = sizeof(Control);
    message.msg_hdr.msg_flags = 0;
  }
  // While this thread lags behind, that is no queue on the way.
  const bool stamps = !spreading_.empty() && !link.is_stream();
  link.set_stamps(v6, stamps);
  const int got = recvmmsg(link.fd(v6), messages_.data(), BATCH, MSG_DONTWAIT, nullptr);
  if (got <= 0) return;
  now_ = now_ns();
  stamps_ahead_ns_.reset();
  if (stamps) stamps_ahead_ns_ = wall_clock_ns() - now_;
  if (workers_.count() > 0) publish_tasks(got);
  for (int i = 0; i < got; i++) {
    if (small_packets_ >= SMALL_PACKETS_PER_TURN) give_way();
    set_source(link.id, link.is_stream() ? link.stream_remote() : addresses_[i]);
    arrived_at_ = arrival_of(messages_[i].msg_hdr);
    if (workers_.count() > 0 && published_[i]) {
      finish_task(*tasks_[i]);
    } else if ((messages_[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
      drop(Drop::malformed_datagram);
    } else {
      handle_message(messages_[i].msg_hdr, static_cast<uint8_t*>(vectors_[i].iov_base), messages_[i].msg_len);
    }
  }
  end_run();
  coalescer_.flush();
}

/**
 * A host's socket holds a few hundred small packets. Where all cores are busy, its reader runs only when
 * this thread pauses: better often than after a thousand packets.
 */
void Receiver::give_way() {
  small_packets_ = 0;
  coalescer_.flush();
  sched_yield();
}

/** Lets others open the large messages of the batch while this thread goes through it in order. */
void Receiver::publish_tasks(int count) {
  for (int i = 0; i < count; i++) {
    msghdr& message = messages_[i].msg_hdr;
    const size_t len = messages_[i].msg_len;
    const size_t segment = segment_size(message, len);
    published_[i] = false;
    if ((message.msg_flags & MSG_TRUNC) != 0 || len < MIN_TASK_PACKETS * segment) continue;
    if (tasks_[i] == nullptr) tasks_[i] = std::make_unique<OpenTask>();
    published_[i] = fill_task(*tasks_[i], static_cast<uint8_t*>(vectors_[i].iov_base), len, segment);
    if (published_[i]) workers_.publish(workers_.receive_line(), *tasks_[i]);
  }
}

/** False, with nothing counted, if the message holds anything but transport data of sessions we know. */
bool Receiver::fill_task(OpenTask& task, uint8_t* data, size_t len, size_t segment) {
  if ((len + segment - 1) / segment > OpenTask::MAX_PACKETS) return false;
  task.count = 0;
  for (size_t at = 0; at < len; at += segment) {
    const Datagram datagram = demultiplex(data + at, std::min(segment, len - at));
    if (datagram.kind != DatagramKind::transport) return false;
    Session* session = state_.sessions.find(load_le32(datagram.data + 4));
    const uint64_t counter = load_le64(datagram.data + 8);
    if (session == nullptr || now_ >= session->expires_at_ns || counter >= REJECT_AFTER_MESSAGES ||
        !session->replay.accepts(counter)) {
      return false;
    }
    uint8_t* sealed = datagram.data + TRANSPORT_HEADER_BYTES;
    uint8_t* opened = task.memory.data() + OpenTask::HEADROOM_BYTES + (sealed - data);
    task.packets[task.count++] = {session, counter, sealed, datagram.len - TRANSPORT_OVERHEAD_BYTES,
                                  datagram.channel, opened, false};
  }
  return true;
}

void Receiver::finish_task(OpenTask& task) {
  TaskLine& line = workers_.receive_line();
  Workers::finish(line, task, RECEIVE_READER);
  line.take();
  for (size_t i = 0; i < task.count; i++) {
    const OpenTask::Packet& packet = task.packets[i];
    set_channel(packet.channel);
    if (!packet.authentic) {
      drop(Drop::auth_failed);
      continue;
    }
    // Its twin may have come before it in the same batch.
    if (!packet.session->replay.commit(packet.counter)) {
      drop(Drop::replayed);
      continue;
    }
    note_authentic(*packet.session, packet.opened, packet.len);
    size_t inner_len = 0;
    if (packet.len > 0 && !accept_inner(*packet.session->peer, packet.opened, packet.len, inner_len)) inner_len = 0;
    deliver(*packet.session, packet.counter, packet.opened, inner_len, false, packet.len > 0);
  }
}

void Receiver::set_source(LinkId link, const UdpAddress& remote) {
  if (from_.link == link && from_.remote == remote) return;
  end_run();
  from_.link = link;
  from_.remote = remote;
}

void Receiver::set_channel(uint16_t channel) {
  if (from_.channel == channel) return;
  end_run();
  from_.channel = channel;
}

/** Length of each datagram of a message but the last. */
size_t Receiver::segment_size(msghdr& message, size_t len) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != IPPROTO_UDP || header->cmsg_type != UDP_GRO) continue;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(header), sizeof size);
    if (size > 0) return static_cast<size_t>(size);
  }
  return len;
}

/** On our clock. Where the host has no stamp, or its clock was set in the meantime, it is now. */
uint64_t Receiver::arrival_of(msghdr& message) const {
  if (!stamps_ahead_ns_) return now_;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_TIMESTAMPNS) continue;
    const uint64_t late = now_ - (to_ns(load_raw<timespec>(CMSG_DATA(header))) - *stamps_ahead_ns_);
    if (late < MAX_LAG_NS) return now_ - late;
  }
  return now_;
}

void Receiver::handle_message(msghdr& message, uint8_t* data, size_t len) {
  const size_t segment = segment_size(message, len);
  if (len == 0) drop(Drop::unknown_datagram);
  for (size_t at = 0; at < len; at += segment) {
    const Datagram datagram = demultiplex(data + at, std::min(segment, len - at));
    set_channel(datagram.channel);
    handle_datagram(datagram);
  }
}

void Receiver::handle_datagram(const Datagram& datagram) {
  switch (datagram.kind) {
    case DatagramKind::transport:
      handle_transport(datagram);
      break;
    case DatagramKind::handshake:
    case DatagramKind::cookie_reply:
    case DatagramKind::stun:
      handle_control(datagram);
      break;
    case DatagramKind::malformed:
      drop(Drop::malformed_datagram);
      break;
    case DatagramKind::unknown:
      drop(Drop::unknown_datagram);
      break;
  }
}

void Receiver::handle_control(const Datagram& datagram) {
  const bool stun = datagram.kind == DatagramKind::stun;
  if (datagram.kind == DatagramKind::handshake && !state_.mac1.verify(datagram.data, datagram.len)) {
    return drop(Drop::bad_mac1);
  }
  ControlTokens& from = state_.known_sources.contains(from_.remote, now_) ? known_tokens_ : stranger_tokens_;
  TokenBucket& tokens = stun                                              ? from.stun
                        : datagram.kind == DatagramKind::cookie_reply ? from.cookie
                                                                          : from.handshake;
  if (!tokens.take(now_)) return drop(Drop::rate_limited);
  Event event{.kind = EventKind::datagram, .stun = stun};
  event.from = from_;
  event.bytes.assign(datagram.data, datagram.data + datagram.len);
  state_.post(std::move(event));
}

/** The session that may open the packet, null if none may. */
Session* Receiver::session_for(const Datagram& datagram, uint64_t& counter) {
  Session* session = state_.sessions.find(load_le32(datagram.data + 4));
  if (session == nullptr) return drop(Drop::unknown_index), nullptr;
  counter = load_le64(datagram.data + 8);
  if (now_ >= session->expires_at_ns || counter >= REJECT_AFTER_MESSAGES) {
    return drop(Drop::session_expired), nullptr;
  }
  if (!session->replay.accepts(counter)) return drop(Drop::replayed), nullptr;
  return session;
}

void Receiver::handle_transport(const Datagram& datagram) {
  uint64_t counter = 0;
  Session* session = session_for(datagram, counter);
  if (session == nullptr) return;
  const size_t len = datagram.len - TRANSPORT_OVERHEAD_BYTES;
  uint8_t* packet = coalescer_.place(len);
  if (!session->receive.open(RECEIVE_READER, counter, datagram.data + TRANSPORT_HEADER_BYTES, len, packet)) {
    coalescer_.abandon();
    return drop(Drop::auth_failed);
  }
  session->replay.commit(counter);
  note_authentic(*session, packet, len);
  size_t inner_len = 0;
  if (len > 0 && !accept_inner(*session->peer, packet, len, inner_len)) inner_len = 0;
  deliver(*session, counter, packet, inner_len, true, len > 0);
}

/** `len`: of the inner packet with its padding. */
void Receiver::note_authentic(Session& session, const uint8_t* packet, size_t len) {
  small_packets_ += len <= SMALL_PACKET_BYTES;
  count(*session.peer, TRANSPORT_OVERHEAD_BYTES + len, is_traffic(packet, len));
  if (session.unconfirmed.load(std::memory_order_relaxed)) confirm(session);
}

bool Receiver::accept_inner(Peer& peer, uint8_t* packet, size_t len, size_t& inner_len) {
  if (packet[0] >> 4 == 0) {
    if (packet[0] == MULTIPATH_MESSAGE) {
      handle_multipath(peer, packet, len);
    } else {
      pass_up_inner(peer, packet, len);
    }
    return false;
  }
  inner_len = ip_packet_len(packet, len);
  if (inner_len == 0) return drop(Drop::inner_malformed), false;
  if (!source_allowed(peer, packet)) return drop(Drop::source_not_allowed), false;
  if (is_echo_reply(packet, inner_len, state_.ping_identifier)) {
    pass_up_inner(peer, packet, inner_len);
    return false;
  }
  // What the peer announces is what this side will send: nobody but us knows how much of that fits.
  const PathTable* paths = peer.paths.load(std::memory_order_acquire);
  if (paths != nullptr) clamp_mss(packet, inner_len, std::min<size_t>(state_.mtu_bytes, paths->inner_limit));
  return true;
}

bool Receiver::source_allowed(const Peer& peer, const uint8_t* packet) {
  const bool v4 = packet[0] >> 4 == 4;
  const uint8_t* source = ip_source(packet);
  const size_t size = v4 ? 4 : 16;
  const uint32_t version = state_.allowed_ips.version();
  if (allowed_.peer == &peer && allowed_.version == version && allowed_.first_byte >> 4 == packet[0] >> 4 &&
      std::memcmp(allowed_.address, source, size) == 0) {
    return true;
  }
  const Peer* owner = v4 ? state_.allowed_ips.lookup_v4(source) : state_.allowed_ips.lookup_v6(source);
  if (owner != &peer) return false;
  allowed_.peer = &peer;
  allowed_.version = version;
  allowed_.first_byte = packet[0];
  std::memcpy(allowed_.address, source, size);
  return true;
}

void Receiver::pass_up_inner(Peer& peer, const uint8_t* packet, size_t len) {
  end_run();
  if (!peer.rx.passed_up.take(now_)) return drop(Drop::rate_limited);
  Event event{.kind = EventKind::inner, .peer = peer.id, .peer_generation = peer.generation, .at_ns = now_};
  event.from = from_;
  event.bytes.assign(packet, packet + len);
  state_.post(std::move(event));
}

void Receiver::confirm(Session& session) {
  Peer& peer = *session.peer;
  if (!promote_next(state_, peer, &session)) return;
  // Whoever hears of it finds the packet counted.
  end_run();
  Event event{.kind = EventKind::session_confirmed, .peer = peer.id, .peer_generation = peer.generation};
  event.local_index = session.local_index;
  state_.post(std::move(event));
  state_.inbox.push({.kind = CommandKind::flush_staged, .peer_id = peer.id, .peer_generation = peer.generation});
}

void Receiver::count(Peer& peer, size_t bytes, bool data) {
  if (run_.peer != &peer) {
    end_run();
    run_.peer = &peer;
    const PathTable* paths = peer.paths.load(std::memory_order_acquire);
    const Path* path = paths == nullptr ? nullptr : paths->find(from_);
    if (path == nullptr) note_roaming(peer, paths);
    run_.slot = path == nullptr ? MAX_PATHS : path->slot;
    run_.relayed = path == nullptr ? from_.channel != 0 : path->relayed;
  }
  run_.packets++;
  run_.bytes += bytes;
  run_.data |= data;
}

void Receiver::end_run() {
  if (run_.peer == nullptr) return;
  PeerCounters& counters = *run_.peer->counters;
  add(counters.rx_packets, run_.packets);
  add(counters.rx_bytes, run_.bytes);
  if (run_.relayed) add(counters.rx_relayed_packets, run_.packets);
  set(counters.last_received_at, now_);
  if (get(counters.first_unanswered_sent_at) != 0) set(counters.first_unanswered_sent_at, 0);
  if (run_.data) {
    set(counters.last_data_received_at, now_);
    if (get(counters.first_unacknowledged_received_at) == 0) set(counters.first_unacknowledged_received_at, now_);
  }
  if (run_.slot < MAX_PATHS) {
    PathCounters& path = counters.paths[run_.slot];
    add(path.rx_packets, run_.packets);
    add(path.rx_bytes, run_.bytes);
    set(path.last_received_at, now_);
  }
  run_ = {};
}

void Receiver::note_roaming(Peer& peer, const PathTable* paths) {
  auto& rx = peer.rx;
  const uint64_t version = paths == nullptr ? 0 : paths->version;
  if (rx.roamed_version != version) {
    rx.roamed_version = version;
    rx.roamed_count = 0;
  }
  const unsigned known = std::min<unsigned>(rx.roamed_count, rx.roamed.size());
  for (unsigned i = 0; i < known; i++) {
    if (rx.roamed[i] == from_) return;
  }
  rx.roamed[rx.roamed_count++ % rx.roamed.size()] = from_;
  Event event{.kind = EventKind::roamed, .peer = peer.id, .peer_generation = peer.generation};
  event.from = from_;
  state_.post(std::move(event));
}

}  // namespace asterism
