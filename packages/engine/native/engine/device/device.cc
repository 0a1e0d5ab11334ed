#include "device/device.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <thread>
#include <unordered_map>

#include "device/sessions.h"
#include "device/shared.h"
#include "device/threads.h"
#include "packet/ip.h"
#include "wire/demux.h"
#include "wire/stream_frames.h"

namespace asterism {
namespace {

constexpr size_t MAX_DATAGRAM_BYTES = 65487;
constexpr size_t MAX_INNER_BYTES = MAX_DATAGRAM_BYTES - TRANSPORT_OVERHEAD_BYTES - CHANNEL_HEADER_BYTES;
constexpr uint32_t MIN_MTU_BYTES = 576;
constexpr uint32_t MAX_MTU_BYTES = 65000;
constexpr uint16_t MIN_CHANNEL = 0x4000;
constexpr uint16_t MAX_CHANNEL = 0x4FFF;

bool valid_channel(uint16_t channel) { return channel == 0 || (channel >= MIN_CHANNEL && channel <= MAX_CHANNEL); }

bool same_prefix(const Prefix& a, const Prefix& b) {
  return a.length == b.length && a.address.v6 == b.address.v6 && std::memcmp(a.address.bytes, b.address.bytes, 16) == 0;
}

unsigned choose_threads(unsigned wanted) {
  if (wanted != 0) return wanted;
  return std::thread::hardware_concurrency() > 1 ? 2 : 1;
}

/** The data threads and what produces and consumes their traffic keep two cores busy; the others may help. */
unsigned choose_workers(unsigned wanted) {
  if (wanted != AUTO_WORKERS) return std::min(wanted, Workers::MAX);
  const unsigned cores = std::thread::hardware_concurrency();
  return cores > 2 ? std::min(cores - 2, Workers::MAX) : 0;
}

}  // namespace

struct Device::Impl {
  Impl(const DeviceOptions& options, std::function<void()> wake) : state(options.public_key, std::move(wake)) {}

  DeviceState state;
  std::unique_ptr<DataThreads> threads;
  std::vector<std::shared_ptr<PeerCounterChunk>> chunks;  // bounded: MAX_PEERS
  std::vector<PeerId> free_peers;                         // bounded: MAX_PEERS
  uint32_t peers_made = 0;                                // ids handed out for the first time
  uint32_t next_generation = 1;
  uint32_t next_link_round = 1;
  uint64_t next_path_version = 1;
  uint64_t next_session_serial = 1;
  bool closed = false;

  Peer* peer(PeerId id) const { return state.peers.find(id); }
  bool push(CommandKind kind, const Peer& peer) {
    return state.inbox.push({.kind = kind, .peer_id = peer.id, .peer_generation = peer.generation});
  }
  std::unordered_map<LinkId, StreamFrames> streams;       // bounded: MAX_LINKS

  Status send_up(const Link& link, uint16_t channel, const uint8_t* bytes, size_t len);
  Status add_link(std::unique_ptr<Link> link, Failure& failure);
  void forget(Peer& peer);
  PathTable* build_paths(Peer& peer, const std::vector<PathSpec>& specs, PathMode mode);
};

Device::Device(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Device::~Device() { close(); }

Status Device::open(const DeviceOptions& options, std::function<void()> wake, std::unique_ptr<Device>& device,
                    Failure& failure) {
  if (options.interface_name.empty() || options.interface_name.size() > 15) return Status::invalid_argument;
  if (options.mtu_bytes < MIN_MTU_BYTES || options.mtu_bytes > MAX_MTU_BYTES) return Status::invalid_argument;
  if (options.threads > 2) return Status::invalid_argument;
  if (openssl() == nullptr) return Status::crypto_unavailable;
  auto impl = std::make_unique<Impl>(options, std::move(wake));
  impl->state.mtu_bytes = options.mtu_bytes;
  impl->state.ping_identifier = options.ping_identifier;
  const TunOptions tun{.name = options.interface_name, .mtu_bytes = options.mtu_bytes};
  const Status status = impl->state.tun.open(tun, failure.error, failure.what);
  if (status != Status::ok) return status;
  impl->threads = std::make_unique<DataThreads>(impl->state);
  if (!impl->threads->start(choose_threads(options.threads), choose_workers(options.workers))) {
    failure = {errno, "start the data threads"};
    return Status::system_error;
  }
  device.reset(new Device(std::move(impl)));
  return Status::ok;
}

void Device::close() {
  if (impl_->closed) return;
  impl_->closed = true;
  DeviceState& state = impl_->state;
  impl_->threads->stop();
  for (PeerId id = 0; id < impl_->peers_made; id++) {
    if (Peer* peer = impl_->peer(id)) impl_->forget(*peer);
  }
  for (std::atomic<Link*>& slot : state.links.slots()) state.epochs.retire(slot.exchange(nullptr));
  // The send thread is gone: what it would have retired goes now.
  for (Command& command : state.inbox.drain()) {
    if (command.kind == CommandKind::forget_peer) delete command.peer;
  }
  state.epochs.reclaim();
  impl_->threads.reset();
  state.tun = Tun();
}

const std::string& Device::interface_name() const { return impl_->state.tun.name(); }
uint32_t Device::interface_index() const { return impl_->state.tun.index(); }

Offloads Device::offloads() const {
  // Links decide for themselves; the device reports what the kernel offers a fresh socket.
  Link probe;
  Failure ignored;
  const bool opened = probe.open({.ipv4 = "127.0.0.1"}, ignored.error, ignored.what) == Status::ok;
  return {impl_->state.tun.tso(), impl_->state.tun.uso(), opened && probe.max_segments() > 1, opened && probe.gro()};
}

/** Gives the link its id and shows it to the data threads. */
Status Device::Impl::add_link(std::unique_ptr<Link> link, Failure& failure) {
  auto& slots = state.links.slots();
  const auto free = std::find_if(slots.begin(), slots.end(),
                                 [](const std::atomic<Link*>& slot) { return slot.load(std::memory_order_relaxed) == nullptr; });
  if (free == slots.end()) return Status::too_many_links;
  // Ids are not reused soon: an address that names a closed link must not mean a new one.
  link->id = (next_link_round++ % 0x100000) * MAX_LINKS + static_cast<uint32_t>(free - slots.begin());
  if (!threads->watch(*link)) {
    failure = {errno, "watch a UDP socket"};
    threads->unwatch(*link);
    return Status::system_error;
  }
  free->store(link.release(), std::memory_order_release);
  return Status::ok;
}

Status Device::open_link(const LinkOptions& options, const Link*& link, Failure& failure) {
  if (impl_->closed) return Status::closed;
  auto opened = std::make_unique<Link>();
  Status status = opened->open(options, failure.error, failure.what);
  if (status != Status::ok) return status;
  link = opened.get();
  return impl_->add_link(std::move(opened), failure);
}

Status Device::open_stream_link(const UdpAddress& remote, LinkId& id, Failure& failure) {
  if (impl_->closed) return Status::closed;
  auto opened = std::make_unique<Link>();
  Status status = opened->open_stream(remote, failure.error, failure.what);
  if (status != Status::ok) return status;
  const Link& link = *opened;
  status = impl_->add_link(std::move(opened), failure);
  if (status != Status::ok) return status;
  id = link.id;
  impl_->streams.emplace(id, StreamFrames());
  return Status::ok;
}

Status Device::close_link(LinkId id) {
  if (impl_->closed) return Status::closed;
  DeviceState& state = impl_->state;
  Link* link = state.links.find(id);
  if (link == nullptr) return Status::unknown_link;
  impl_->threads->unwatch(*link);
  impl_->streams.erase(id);
  state.links.slots()[id % MAX_LINKS].store(nullptr, std::memory_order_release);
  state.epochs.retire(link);
  return Status::ok;
}

Status Device::receive_frames(LinkId id, const uint8_t* bytes, size_t len) {
  if (impl_->closed) return Status::closed;
  const Link* link = impl_->state.links.find(id);
  const auto stream = impl_->streams.find(id);
  if (link == nullptr || stream == impl_->streams.end()) return Status::unknown_link;
  std::vector<iovec> frames;  // bounded: by the bytes at hand
  const bool in_step = stream->second.read(bytes, len, frames);
  const unsigned delivered = link->deliver(frames.data(), static_cast<unsigned>(frames.size()));
  impl_->state.counters->drop(Drop::receive_buffer_full, frames.size() - delivered);
  return in_step ? Status::ok : Status::invalid_argument;
}

Status Device::add_peer(PeerId& id) {
  if (impl_->closed) return Status::closed;
  if (impl_->free_peers.empty() && impl_->peers_made >= MAX_PEERS) return Status::too_many_peers;
  if (impl_->free_peers.empty()) {
    id = impl_->peers_made++;
    if (id / PEERS_PER_CHUNK >= impl_->chunks.size()) impl_->chunks.push_back(std::make_shared<PeerCounterChunk>());
  } else {
    id = impl_->free_peers.back();
    impl_->free_peers.pop_back();
  }
  Peer* peer = new Peer;
  peer->id = id;
  peer->generation = impl_->next_generation++;
  peer->counter_chunk = impl_->chunks[id / PEERS_PER_CHUNK];
  peer->counters = &peer->counter_chunk->peers[id % PEERS_PER_CHUNK];
  for (unsigned i = 0; i < PEER_WORDS; i++) set(reinterpret_cast<Counter*>(peer->counters)[i], 0);
  impl_->state.peers.set(id, peer);
  return Status::ok;
}

/** Unlinks the peer everywhere; the send thread lets go of what it staged and retires it. */
void Device::Impl::forget(Peer& peer) {
  for (const Prefix& prefix : peer.prefixes) state.allowed_ips.remove(prefix, &peer);
  remove_all_sessions(state, peer);
  state.peers.set(peer.id, nullptr);
  state.inbox.push({.kind = CommandKind::forget_peer, .peer = &peer});
}

Status Device::remove_peer(PeerId id) {
  if (impl_->closed) return Status::closed;
  Peer* peer = impl_->peer(id);
  if (peer == nullptr) return Status::unknown_peer;
  impl_->forget(*peer);
  impl_->free_peers.push_back(id);
  return Status::ok;
}

Status Device::set_allowed_ips(PeerId id, const std::vector<Prefix>& prefixes) {
  if (impl_->closed) return Status::closed;
  Peer* peer = impl_->peer(id);
  if (peer == nullptr) return Status::unknown_peer;
  AllowedIps& table = impl_->state.allowed_ips;
  for (const Prefix& prefix : prefixes) table.insert(prefix, peer);
  for (const Prefix& old : peer->prefixes) {
    const bool kept = std::any_of(prefixes.begin(), prefixes.end(),
                                  [&](const Prefix& prefix) { return same_prefix(prefix, old); });
    if (!kept) table.remove(old, peer);
  }
  peer->prefixes = prefixes;
  return Status::ok;
}

PathTable* Device::Impl::build_paths(Peer& peer, const std::vector<PathSpec>& specs, PathMode mode) {
  auto table = std::make_unique<PathTable>();
  table->version = next_path_version++;
  table->mode = mode;
  const PathTable* old = peer.paths.load(std::memory_order_relaxed);
  std::array<bool, MAX_PATHS> used{};
  for (const PathSpec& spec : specs) {
    Path path{.to = spec.to,
              .weight = spec.weight,
              .cap_bytes_per_second = spec.cap_bytes_per_second,
              .mtu_bytes = spec.mtu_bytes,
              .relayed = spec.relayed};
    const Path* before = old == nullptr ? nullptr : old->find(spec.to);
    path.slot = before == nullptr ? MAX_PATHS : before->slot;
    if (before != nullptr) used[before->slot] = true;
    table->paths.push_back(path);
  }
  for (Path& path : table->paths) {
    if (path.slot != MAX_PATHS) continue;
    path.slot = static_cast<uint8_t>(std::find(used.begin(), used.end(), false) - used.begin());
    used[path.slot] = true;
    auto* words = reinterpret_cast<Counter*>(&peer.counters->paths[path.slot]);
    for (unsigned i = 0; i < PATH_WORDS; i++) set(words[i], 0);
  }
  for (unsigned i = 0; i < table->paths.size(); i++) {
    const auto better = [&](unsigned than) {
      return than == PathTable::NONE || table->paths[i].weight > table->paths[than].weight;
    };
    if (better(table->first)) {
      table->second = table->first;
      table->first = i;
    } else if (better(table->second)) {
      table->second = i;
    }
  }
  if (mode != PathMode::redundant || (table->second != PathTable::NONE && table->paths[table->second].weight == 0)) {
    table->second = PathTable::NONE;
  }
  for (unsigned i = 0; i < table->paths.size(); i++) {
    const bool carries = i == table->first || i == table->second || (table->spread() && table->paths[i].weight > 0);
    if (carries) table->inner_limit = std::min(table->inner_limit, inner_limit(table->paths[i]));
  }
  return table.release();
}

Status Device::set_paths(PeerId id, const std::vector<PathSpec>& specs, PathMode mode,
                         std::vector<uint8_t>& slots) {
  if (impl_->closed) return Status::closed;
  Peer* peer = impl_->peer(id);
  if (peer == nullptr) return Status::unknown_peer;
  if (specs.size() > MAX_PATHS) return Status::too_many_paths;
  for (size_t i = 0; i < specs.size(); i++) {
    if (impl_->state.links.find(specs[i].to.link) == nullptr) return Status::unknown_link;
    if (!valid_channel(specs[i].to.channel) || !std::isfinite(specs[i].weight) || specs[i].weight < 0 ||
        !std::isfinite(specs[i].cap_bytes_per_second) || specs[i].cap_bytes_per_second < 0) {
      return Status::invalid_argument;
    }
    for (size_t k = 0; k < i; k++) {
      if (specs[k].to == specs[i].to) return Status::invalid_argument;
    }
  }
  PathTable* table = impl_->build_paths(*peer, specs, mode);
  for (Path& path : table->paths) impl_->state.links.find(path.to.link)->complete_scope(path.to.remote);
  slots.clear();
  for (const Path& path : table->paths) slots.push_back(path.slot);
  impl_->state.epochs.retire(peer->paths.exchange(table, std::memory_order_acq_rel));
  return impl_->push(CommandKind::flush_staged, *peer) ? Status::ok : Status::busy;
}

Status Device::install_session(PeerId id, const SessionOptions& options) {
  if (impl_->closed) return Status::closed;
  Peer* peer = impl_->peer(id);
  if (peer == nullptr) return Status::unknown_peer;
  if (impl_->state.sessions.find(options.local_index) != nullptr) return Status::index_in_use;
  auto* session = new Session(*openssl(), options.aead, options.send_key, options.receive_key);
  session->serial = impl_->next_session_serial++;
  session->local_index = options.local_index;
  session->remote_index = options.remote_index;
  session->expires_at_ns = options.expires_at_ns;
  session->initiator = options.initiator;
  install_session_of(impl_->state, *peer, session);
  return impl_->push(CommandKind::flush_staged, *peer) ? Status::ok : Status::busy;
}

Status Device::remove_session(PeerId id, uint32_t local_index) {
  if (impl_->closed) return Status::closed;
  Peer* peer = impl_->peer(id);
  if (peer == nullptr) return Status::unknown_peer;
  return asterism::remove_session(impl_->state, *peer, local_index) ? Status::ok : Status::unknown_session;
}

Status Device::drop_staged(PeerId id) {
  if (impl_->closed) return Status::closed;
  Peer* peer = impl_->peer(id);
  if (peer == nullptr) return Status::unknown_peer;
  return impl_->push(CommandKind::drop_staged, *peer) ? Status::ok : Status::busy;
}

/** For a stream: in a channel, or a STUN message. */
Status Device::Impl::send_up(const Link& link, uint16_t channel, const uint8_t* bytes, size_t len) {
  uint8_t header[CHANNEL_HEADER_BYTES];
  store_be16(header, channel);
  store_be16(header + 2, static_cast<uint16_t>(len));
  if (channel == 0 && (bytes == nullptr || frame_start(bytes, len).len != len)) return Status::invalid_argument;
  std::vector<uint8_t> frame(header, header + (channel != 0 ? sizeof header : 0));
  frame.insert(frame.end(), bytes, bytes + len);
  const iovec piece = {frame.data(), frame.size()};
  if (!state.mailbox.push_frames(link.id, &piece, 1, frame.size())) state.counters->drop(Drop::send_buffer_full);
  return Status::ok;
}

Status Device::send(const PathAddress& to, const uint8_t* bytes, size_t len, bool dont_fragment) {
  if (impl_->closed) return Status::closed;
  DeviceState& state = impl_->state;
  const Link* link = state.links.find(to.link);
  if (link == nullptr) return Status::unknown_link;
  if (!valid_channel(to.channel) || len > MAX_DATAGRAM_BYTES - CHANNEL_HEADER_BYTES) return Status::invalid_argument;
  PathAddress complete = to;
  link->complete_scope(complete.remote);
  if (link->is_stream()) return impl_->send_up(*link, to.channel, bytes, len);
  const int fd = link->fd(complete.remote.is_v6());
  if (fd < 0) return state.counters->drop(Drop::no_link), Status::ok;
  uint8_t header[CHANNEL_HEADER_BYTES];
  store_be16(header, to.channel);
  store_be16(header + 2, static_cast<uint16_t>(len));
  iovec parts[2] = {{header, to.channel != 0 ? sizeof header : 0}, {const_cast<uint8_t*>(bytes), len}};
  msghdr message{};
  message.msg_name = complete.remote.data();
  message.msg_namelen = complete.remote.len();
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  const bool v6 = complete.remote.is_v6();
  state.known_sources.note(complete.remote, now_ns());
  if (dont_fragment) Link::set_dont_fragment(fd, v6, true);
  ssize_t sent = sendmsg(fd, &message, MSG_DONTWAIT);
  // An ICMP error of an earlier datagram is reported once, instead of sending.
  if (sent < 0 && errno == ECONNREFUSED) sent = sendmsg(fd, &message, MSG_DONTWAIT);
  const int error = errno;
  if (dont_fragment) Link::set_dont_fragment(fd, v6, false);
  // One that is too large for the way has told what it was sent for.
  if (sent >= 0 || (dont_fragment && error == EMSGSIZE)) return Status::ok;
  errno = error;
  state.counters->drop(errno == EMSGSIZE ? Drop::path_mtu : errno == EAGAIN ? Drop::send_buffer_full : Drop::send_refused);
  if (errno == EMSGSIZE) {
    Event event{.kind = EventKind::path_mtu, .mtu_bytes = link->path_mtu(complete.remote)};
    event.from = complete;
    state.post(std::move(event));
  }
  return Status::ok;
}

Status Device::send_keepalive(PeerId id) {
  if (impl_->closed) return Status::closed;
  Peer* peer = impl_->peer(id);
  if (peer == nullptr) return Status::unknown_peer;
  return impl_->push(CommandKind::keepalive, *peer) ? Status::ok : Status::busy;
}

Status Device::send_inner(PeerId id, const uint8_t* packet, size_t len) {
  if (impl_->closed) return Status::closed;
  Peer* peer = impl_->peer(id);
  if (peer == nullptr) return Status::unknown_peer;
  if (len == 0 || len > MAX_INNER_BYTES) return Status::invalid_argument;
  if (packet[0] >> 4 != 0 && ip_packet_len(packet, len) != len) return Status::invalid_argument;
  Command command{.kind = CommandKind::send_inner, .peer_id = id, .peer_generation = peer->generation};
  command.bytes.resize(sizeof(VnetHeader) + len);
  std::memcpy(command.bytes.data() + sizeof(VnetHeader), packet, len);
  if (!impl_->state.inbox.push(std::move(command))) impl_->state.counters->drop(Drop::inbox_full);
  return Status::ok;
}

std::vector<Event> Device::drain_events() {
  if (impl_->closed) return {};
  std::vector<Event> events = impl_->state.mailbox.drain();
  std::erase_if(events, [&](const Event& event) {
    const bool of_peer = event.peer_generation != 0;
    if (of_peer && impl_->state.peers.find(event.peer, event.peer_generation) == nullptr) return true;
    const bool addressed = event.kind == EventKind::datagram || event.kind == EventKind::path_mtu ||
                           event.kind == EventKind::roamed || event.kind == EventKind::frames;
    return addressed && impl_->state.links.find(event.from.link) == nullptr;
  });
  return events;
}

std::shared_ptr<DeviceCounters> Device::counters() const { return impl_->state.counters; }

std::shared_ptr<PeerCounterChunk> Device::counter_chunk(unsigned index) const {
  return index < impl_->chunks.size() ? impl_->chunks[index] : nullptr;
}

bool parse_udp_address(const char* text, uint16_t port, UdpAddress& address) {
  address = UdpAddress();
  if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = htons(port);
    return true;
  }
  address = UdpAddress();
  if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) != 1) return false;
  address.v6.sin6_family = AF_INET6;
  address.v6.sin6_port = htons(port);
  return true;
}

bool parse_prefix(const char* text, Prefix& prefix) {
  const char* slash = std::strchr(text, '/');
  char address[INET6_ADDRSTRLEN] = {};
  if (slash == nullptr || static_cast<size_t>(slash - text) >= sizeof address) return false;
  std::memcpy(address, text, static_cast<size_t>(slash - text));
  prefix = Prefix{};
  prefix.address.v6 = inet_pton(AF_INET, address, prefix.address.bytes) != 1;
  if (prefix.address.v6 && inet_pton(AF_INET6, address, prefix.address.bytes) != 1) return false;
  unsigned length = 0;
  const char* digits = slash + 1;
  if (*digits == 0 || std::strlen(digits) > 3) return false;
  for (; *digits != 0; digits++) {
    if (*digits < '0' || *digits > '9') return false;
    length = length * 10 + static_cast<unsigned>(*digits - '0');
  }
  if (length > (prefix.address.v6 ? 128u : 32u)) return false;
  prefix.length = static_cast<uint8_t>(length);
  // Bits behind the length don't belong to the prefix.
  for (unsigned bit = length; bit < 128; bit++) prefix.address.bytes[bit / 8] &= static_cast<uint8_t>(~(0x80u >> bit % 8));
  return true;
}

}  // namespace asterism
