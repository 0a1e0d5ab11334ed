#include "relay/worker.h"

#include <linux/sock_diag.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"

namespace asterism {
namespace {

// epoll data: what kind of socket, its family, and the id of listener or allocation.
constexpr uint64_t LISTENER = uint64_t{1} << 40;
constexpr uint64_t ALLOCATION = uint64_t{2} << 40;
constexpr uint64_t STOP = uint64_t{3} << 40;
constexpr uint64_t V6 = uint64_t{1} << 32;

constexpr int EPOLL_BATCH = 32;

/** Strangers may come in a bunch: everyone at once after a restart of the relay. */
constexpr uint64_t BURST_SECONDS = 2;

/** Datagrams that the kernel has dropped because the socket's buffer was full. */
uint32_t kernel_drops(const Link& link) {
  uint32_t total = 0;
  for (const bool v6 : {false, true}) {
    if (link.fd(v6) < 0) continue;
    uint32_t info[SK_MEMINFO_VARS] = {};
    socklen_t len = sizeof info;
    if (getsockopt(link.fd(v6), SOL_SOCKET, SO_MEMINFO, info, &len) == 0) total += info[SK_MEMINFO_DROPS];
  }
  return total;
}

}  // namespace

RequestLimiters::RequestLimiters(const RequestLimits& limits, uint64_t seed)
    : sources(limits.source_per_second, limits.source_per_second * BURST_SECONDS, seed),
      strangers(limits.strangers_per_second, limits.strangers_per_second * BURST_SECONDS, 0) {}

RelayWorker::RelayWorker(RelayState& state, RequestLimiters& limiters, unsigned index, uint64_t seed)
    : state_(state),
      limiters_(limiters),
      index_(index),
      forwarder_(state, index, seed),
      memory_(BATCH * BUFFER_BYTES) {
  for (unsigned i = 0; i < BATCH; i++) {
    vectors_[i] = {memory_.data() + i * BUFFER_BYTES, BUFFER_BYTES};
    msghdr& header = messages_[i].msg_hdr;
    header.msg_name = &addresses_[i];
    header.msg_iov = &vectors_[i];
    header.msg_iovlen = 1;
    header.msg_control = &controls_[i];
  }
}

bool RelayWorker::start(const char* name) {
  poll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  stop_event_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!poll_ || !stop_event_ || !watch(stop_event_.get(), STOP)) return false;
  // Signals belong to the host program's threads: this one inherits an all-blocked mask.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const auto entry = [](void* self) -> void* { return static_cast<RelayWorker*>(self)->run(), nullptr; };
  started_ = pthread_create(&thread_, nullptr, entry, this) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (started_) pthread_setname_np(thread_, name);
  return started_;
}

void RelayWorker::stop() {
  if (!started_) return;
  stopping_.store(true, std::memory_order_release);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = ::write(stop_event_.get(), &one, sizeof one);
  pthread_join(thread_, nullptr);
  started_ = false;
}

bool RelayWorker::watch(int fd, uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  return epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

bool RelayWorker::watch_listener(const RelayListener& listener) {
  if (index_ >= listener.ingresses.size()) return true;
  for (const bool v6 : {false, true}) {
    const int fd = listener.ingress(index_).link.fd(v6);
    if (fd >= 0 && !watch(fd, LISTENER | (v6 ? V6 : 0) | listener.id)) return false;
  }
  return true;
}

bool RelayWorker::watch_allocation(const Allocation& allocation) {
  for (const bool v6 : {false, true}) {
    if (allocation.relayed[v6] == nullptr) continue;
    if (!watch(allocation.relayed[v6]->fd(v6), ALLOCATION | (v6 ? V6 : 0) | allocation.id)) return false;
  }
  return true;
}

void RelayWorker::run() {
  epoll_event events[EPOLL_BATCH];
  while (!stopping_.load(std::memory_order_acquire)) {
    const int count = epoll_wait(poll_.get(), events, EPOLL_BATCH, -1);
    for (int i = 0; i < count; i++) {
      // Socket after socket, one batch each: nobody's traffic holds up the others', nor a change of the tables.
      const TableLock::Reading reading(state_.tables.lock);
      handle(events[i].data.u64);
    }
  }
}

void RelayWorker::handle(uint64_t tag) {
  const auto id = static_cast<uint32_t>(tag);
  const bool v6 = (tag & V6) != 0;
  switch (tag & ~(V6 | 0xFFFFFFFFu)) {
    case LISTENER:
      if (RelayListener* listener = state_.tables.listener(id)) handle_listener(*listener, v6);
      break;
    case ALLOCATION:
      if (Allocation* allocation = state_.tables.allocation(id)) handle_relayed(*allocation, v6);
      break;
    default:
      break;
  }
}

int RelayWorker::receive(int fd) {
  for (mmsghdr& message : messages_) {
    message.msg_hdr.msg_namelen = sizeof(sockaddr_in6);
    message.msg_hdr.msg_controllen = sizeof(Control);
    message.msg_hdr.msg_flags = 0;
  }
  const int got = recvmmsg(fd, messages_.data(), BATCH, MSG_DONTWAIT, nullptr);
  now_ = now_ns();
  forwarder_.set_now(now_);
  return got;
}

size_t RelayWorker::segment_len(unsigned index) {
  msghdr& message = messages_[index].msg_hdr;
  if ((message.msg_flags & MSG_TRUNC) != 0) return 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != IPPROTO_UDP || header->cmsg_type != UDP_GRO) continue;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(header), sizeof size);
    if (size > 0) return static_cast<size_t>(size);
  }
  return BUFFER_BYTES;
}

void RelayWorker::handle_listener(const RelayListener& listener, bool v6) {
  Ingress& ingress = listener.ingress(index_);
  const int got = receive(ingress.link.fd(v6));
  ingress.shares.advance(now_, [&] { return kernel_drops(ingress.link); });
  for (int i = 0; i < got; i++) {
    const size_t segment = segment_len(static_cast<unsigned>(i));
    if (segment == 0) {
      state_.drop(RelayDrop::malformed_datagram);
      continue;
    }
    handle_client_message(listener, addresses_[i], static_cast<uint8_t*>(vectors_[i].iov_base), messages_[i].msg_len, segment);
  }
  forwarder_.flush();
}

void RelayWorker::handle_client_message(const RelayListener& listener, const UdpAddress& from, const uint8_t* data,
                                        size_t len, size_t segment) {
  const auto found = state_.tables.by_client.find({listener.id, from});
  Allocation* allocation = found == state_.tables.by_client.end() ? nullptr : found->second;
  if (allocation != nullptr) forwarder_.begin_client(*allocation);
  for (size_t at = 0; at < len; at += segment) {
    const TurnDatagram datagram = classify_turn(data + at, std::min(segment, len - at));
    switch (datagram.kind) {
      case TurnKind::channel_data:
      case TurnKind::send_indication:
        if (allocation != nullptr) {
          forwarder_.from_client(datagram);
        } else {
          state_.drop(RelayDrop::no_allocation);
        }
        break;
      case TurnKind::stun:
      case TurnKind::classic_stun:
        pass_up(listener, from, allocation != nullptr, datagram);
        break;
      case TurnKind::malformed:
        state_.drop(RelayDrop::malformed_datagram);
        break;
      case TurnKind::unknown:
        state_.drop(RelayDrop::unknown_datagram);
        break;
    }
  }
}

void RelayWorker::pass_up(const RelayListener& listener, const UdpAddress& from, bool known, const TurnDatagram& datagram) {
  if (!limiters_.sources.take(from, now_)) return state_.drop(RelayDrop::rate_limited);
  if (!known && !limiters_.strangers.take(UdpAddress(), now_)) return state_.drop(RelayDrop::overloaded);
  const bool classic = datagram.kind == TurnKind::classic_stun;
  if (!state_.mailbox.push_request(listener.id, from, classic, datagram.data, datagram.len)) {
    state_.drop(RelayDrop::queue_full);
  }
}

void RelayWorker::handle_relayed(Allocation& allocation, bool v6) {
  const int got = receive(allocation.relayed[v6]->fd(v6));
  for (int i = 0; i < got; i++) {
    const size_t segment = segment_len(static_cast<unsigned>(i));
    const size_t len = messages_[i].msg_len;
    if (segment == 0) {
      state_.drop(RelayDrop::malformed_datagram);
      continue;
    }
    const auto* data = static_cast<const uint8_t*>(vectors_[i].iov_base);
    forwarder_.begin_peer(allocation, addresses_[i]);
    if (len == 0) forwarder_.from_peer(data, 0);
    for (size_t at = 0; at < len; at += segment) forwarder_.from_peer(data + at, std::min(segment, len - at));
  }
  forwarder_.flush();
}

}  // namespace asterism
