#include "relay/relay.h"

#include <arpa/inet.h>
#include <sched.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"

namespace asterism {
namespace {

UdpAddress local_address(const Link& link, bool v6) {
  UdpAddress address;
  socklen_t len = sizeof address.v6;
  getsockname(link.fd(v6), address.data(), &len);
  address.v6.sin6_scope_id = v6 ? 0 : address.v6.sin6_scope_id;
  return address;
}

unsigned usable_cores() {
  cpu_set_t cores;
  return sched_getaffinity(0, sizeof cores, &cores) == 0 ? static_cast<unsigned>(CPU_COUNT(&cores)) : 1;
}

}  // namespace

TableLock::TableLock() {
  pthread_rwlockattr_t attributes;
  pthread_rwlockattr_init(&attributes);
  pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  pthread_rwlock_init(&lock_, &attributes);
  pthread_rwlockattr_destroy(&attributes);
}

Status Relay::open(const RelayOptions& options, std::function<void()> wake, std::unique_ptr<Relay>& relay) {
  if (options.threads > MAX_WORKERS || options.limits.source_per_second == 0 || options.limits.strangers_per_second == 0) {
    return Status::invalid_argument;
  }
  uint64_t seed = now_ns();
  [[maybe_unused]] const ssize_t got = getrandom(&seed, sizeof seed, GRND_NONBLOCK);
  relay.reset(new Relay(options, std::move(wake), seed));
  if (relay->start()) return Status::ok;
  relay.reset();
  return Status::system_error;
}

Relay::Relay(const RelayOptions& options, std::function<void()> wake, uint64_t seed)
    : state_(std::move(wake)), limiters_(options.limits, seed), stream_forwarder_(state_, 0, seed + MAX_WORKERS) {
  const unsigned threads = options.threads != 0 ? options.threads : std::min(usable_cores(), MAX_WORKERS);
  for (unsigned i = 0; i < threads; i++) workers_.emplace_back(new RelayWorker(state_, limiters_, i, seed + i));
}

Relay::~Relay() {
  for (auto& worker : workers_) worker->stop();
}

bool Relay::start() {
  for (size_t i = 0; i < workers_.size(); i++) {
    const std::string name = "ast-relay-" + std::to_string(i);
    if (!workers_[i]->start(name.c_str())) return false;
  }
  return true;
}

Status Relay::open_listener(const LinkOptions& options, const RelayListener*& listener, Failure& failure) {
  uint32_t id = 0;
  while (id < state_.tables.listeners.size() && state_.tables.listeners[id] != nullptr) id++;
  if (id >= MAX_LISTENERS) return Status::too_many_links;
  auto opened = std::make_unique<RelayListener>();
  opened->id = id;
  const Status status = open_ingresses(options, *opened, failure);
  if (status != Status::ok) return status;
  listener = opened.get();
  const TableLock::Writing writing(state_.tables.lock);
  if (!watch(*opened)) return Status::system_error;
  if (id == state_.tables.listeners.size()) state_.tables.listeners.emplace_back();
  state_.tables.listeners[id] = std::move(opened);
  return Status::ok;
}

/** The first socket finds out whether the port is free; the others join it. */
Status Relay::open_ingresses(const LinkOptions& options, RelayListener& listener, Failure& failure) const {
  LinkOptions each = options;
  for (size_t i = 0; i < workers_.size(); i++) {
    auto ingress = std::make_unique<Ingress>();
    const Status status = ingress->link.open(each, failure.error, failure.what);
    if (status != Status::ok) return status;
    each.port = ingress->link.port();
    each.shared_port = true;
    listener.ingresses.push_back(std::move(ingress));
    if (workers_.size() > 1 && i == 0 && !listener.ingress(0).link.share_port()) return Status::system_error;
  }
  return Status::ok;
}

bool Relay::watch(const RelayListener& listener) {
  return std::all_of(workers_.begin(), workers_.end(), [&](auto& worker) { return worker->watch_listener(listener); });
}

Status Relay::close_listener(uint32_t id) {
  RelayListener* listener = state_.tables.listener(id);
  if (listener == nullptr) return Status::unknown_link;
  for (const auto& allocation : state_.tables.allocations) {
    if (allocation != nullptr && allocation->listener == listener) return Status::busy;
  }
  const TableLock::Writing writing(state_.tables.lock);
  state_.tables.listeners[id].reset();
  return Status::ok;
}

Status Relay::open_relayed(const std::string& ipv4, const std::string& ipv6, uint16_t port, std::unique_ptr<Link>& link,
                           Failure& failure) const {
  link = std::make_unique<Link>();
  LinkOptions options;
  options.ipv4 = ipv4;
  options.ipv6 = ipv6;
  options.port = port;
  return link->open(options, failure.error, failure.what);
}

Status Relay::open_allocation(const AllocationOptions& options, uint32_t& id, Failure& failure) {
  if (options.ipv4.empty() && options.ipv6.empty()) return Status::invalid_argument;
  auto allocation = std::make_unique<Allocation>();
  if (options.udp_client) {
    allocation->listener = state_.tables.listener(options.client.listener);
    if (allocation->listener == nullptr) return Status::unknown_link;
    if (allocation->listener->ingress(0).link.fd(options.client.address.is_v6()) < 0) return Status::invalid_argument;
    if (state_.tables.by_client.contains(options.client)) return Status::index_in_use;
    allocation->client = options.client.address;
  }
  Status status = Status::ok;
  if (!options.ipv4.empty()) status = open_relayed(options.ipv4, "", options.ipv4_port, allocation->relayed[0], failure);
  if (status == Status::ok && !options.ipv6.empty()) {
    status = open_relayed("", options.ipv6, options.ipv6_port, allocation->relayed[1], failure);
  }
  if (status != Status::ok) return status;
  uint32_t place = 0;
  status = reserve_place(place);
  if (status != Status::ok) return status;
  id = allocation->id = place + MAX_ALLOCATIONS * (generations_[place]++ % (UINT32_MAX / MAX_ALLOCATIONS));
  allocation->expires_at_ns = options.expires_at_ns;
  allocation->user = options.user;
  allocation->quota = quota_of(options.user, options.user_bytes_per_second);
  AllocationCounters& counters = chunks_[place / ALLOCATIONS_PER_CHUNK]->allocations[place % ALLOCATIONS_PER_CHUNK];
  for (Counter* counter : {&counters.to_peer_packets, &counters.to_peer_bytes, &counters.to_client_packets,
                           &counters.to_client_bytes, &counters.last_to_peer_at, &counters.last_to_client_at}) {
    set(*counter, 0);
  }
  allocation->counters = &counters;
  status = insert(std::move(allocation), options.client);
  if (status != Status::ok) release_place(place);
  return status;
}

Status Relay::reserve_place(uint32_t& place) {
  if (!free_places_.empty()) {
    place = free_places_.back();
    free_places_.pop_back();
    return Status::ok;
  }
  if (generations_.size() >= MAX_ALLOCATIONS) return Status::too_many_peers;
  place = static_cast<uint32_t>(generations_.size());
  generations_.push_back(0);
  if (place % ALLOCATIONS_PER_CHUNK == 0) chunks_.emplace_back(new AllocationCounterChunk());
  return Status::ok;
}

Status Relay::insert(std::unique_ptr<Allocation> allocation, const ClientKey& client) {
  const TableLock::Writing writing(state_.tables.lock);
  RelayTables& tables = state_.tables;
  if (!worker_of(allocation->id).watch_allocation(*allocation)) return Status::system_error;
  const uint32_t place = allocation->id % MAX_ALLOCATIONS;
  if (place >= tables.allocations.size()) tables.allocations.resize(place + 1);
  if (allocation->listener != nullptr) tables.by_client[client] = allocation.get();
  for (const bool v6 : {false, true}) {
    if (allocation->relayed[v6] != nullptr) tables.relayed.insert(local_address(*allocation->relayed[v6], v6));
  }
  tables.allocations[place] = std::move(allocation);
  return Status::ok;
}

Status Relay::close_allocation(uint32_t id) {
  Allocation* allocation = state_.tables.allocation(id);
  if (allocation == nullptr) return Status::unknown_peer;
  const uint32_t user = allocation->user;
  const uint32_t place = id % MAX_ALLOCATIONS;
  {
    const TableLock::Writing writing(state_.tables.lock);
    RelayTables& tables = state_.tables;
    if (allocation->listener != nullptr) tables.by_client.erase({allocation->listener->id, allocation->client});
    for (const bool v6 : {false, true}) {
      if (allocation->relayed[v6] != nullptr) tables.relayed.erase(local_address(*allocation->relayed[v6], v6));
    }
    tables.allocations[place].reset();
  }
  release_place(place);
  const auto quota = quotas_.find(user);
  if (quota != quotas_.end() && quota->second.use_count() == 1) quotas_.erase(quota);
  return Status::ok;
}

std::shared_ptr<UserQuota> Relay::quota_of(uint32_t user, uint64_t bytes_per_second) {
  std::shared_ptr<UserQuota>& quota = quotas_[user];
  if (quota == nullptr) quota = std::make_shared<UserQuota>();
  quota->to_peers.set_rate(bytes_per_second);
  quota->to_clients.set_rate(bytes_per_second);
  return quota;
}

Status Relay::set_expiry(uint32_t id, uint64_t expires_at_ns) {
  Allocation* allocation = state_.tables.allocation(id);
  if (allocation == nullptr) return Status::unknown_peer;
  const TableLock::Writing writing(state_.tables.lock);
  allocation->expires_at_ns = expires_at_ns;
  return Status::ok;
}

Status Relay::set_permission(uint32_t id, const UdpAddress& peer, bool relayed_only, uint64_t expires_at_ns) {
  Allocation* allocation = state_.tables.allocation(id);
  if (allocation == nullptr) return Status::unknown_peer;
  UdpAddress key = peer;
  key.v4.sin_port = 0;
  const TableLock::Writing writing(state_.tables.lock);
  auto& permissions = allocation->permissions;
  if (expires_at_ns == 0) return permissions.erase(key), Status::ok;
  if (permissions.size() >= MAX_PERMISSIONS && !permissions.contains(key)) return Status::too_many_paths;
  permissions[key] = {expires_at_ns, relayed_only};
  return Status::ok;
}

Status Relay::set_channel(uint32_t id, uint16_t number, const UdpAddress& peer, uint64_t expires_at_ns) {
  Allocation* allocation = state_.tables.allocation(id);
  if (allocation == nullptr) return Status::unknown_peer;
  if ((number & 0xC000) != 0x4000) return Status::invalid_argument;
  const TableLock::Writing writing(state_.tables.lock);
  auto& channels = allocation->channels;
  auto& peers = allocation->channel_peers;
  const auto bound_peer = peers.find(number);
  if (bound_peer != peers.end() && !(bound_peer->second == peer)) channels.erase(bound_peer->second);
  const auto bound_number = channels.find(peer);
  if (bound_number != channels.end() && bound_number->second.number != number) peers.erase(bound_number->second.number);
  if (expires_at_ns == 0) {
    channels.erase(peer);
    peers.erase(number);
    return Status::ok;
  }
  if (channels.size() >= MAX_CHANNELS && !channels.contains(peer)) return Status::too_many_paths;
  channels[peer] = {number, peer, expires_at_ns};
  peers[number] = peer;
  return Status::ok;
}

Status Relay::reply(uint32_t id, const UdpAddress& to, const uint8_t* data, size_t len) {
  RelayListener* listener = state_.tables.listener(id);
  if (listener == nullptr) return Status::unknown_link;
  const int fd = listener->ingress(0).link.fd(to.is_v6());
  if (fd < 0) return Status::invalid_argument;
  if (sendto(fd, data, len, MSG_DONTWAIT, to.data(), to.len()) < 0) {
    state_.drop(errno == EAGAIN ? RelayDrop::send_buffer_full : RelayDrop::send_refused);
  }
  return Status::ok;
}

Status Relay::send_frames(uint32_t id, const uint8_t* data, size_t len) {
  Allocation* allocation = state_.tables.allocation(id);
  if (allocation == nullptr) return Status::unknown_peer;
  // This thread alone writes the tables: it reads them without the lock.
  stream_forwarder_.set_now(now_ns());
  stream_forwarder_.begin_client(*allocation);
  for (size_t at = 0; at < len;) {
    const size_t frame = channel_frame_len(data + at, len - at);
    const TurnDatagram datagram = classify_turn(data + at, frame);
    if (datagram.kind != TurnKind::channel_data && datagram.kind != TurnKind::send_indication) {
      state_.drop(RelayDrop::malformed_datagram);
      break;
    }
    stream_forwarder_.from_client(datagram);
    at += frame;
  }
  stream_forwarder_.flush();
  return Status::ok;
}

std::shared_ptr<AllocationCounterChunk> Relay::counter_chunk(uint32_t index) const {
  return index < chunks_.size() ? chunks_[index] : nullptr;
}

}  // namespace asterism
