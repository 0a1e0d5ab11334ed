#include "host/network_watch.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace asterism {
namespace {

constexpr size_t MAX_WAITING = 4096;
constexpr size_t BUFFER_BYTES = 64 * 1024;

/** Null if there is none. The length is signed: the kernel's macros take the padding off as well. */
const rtattr* find(const rtattr* attribute, size_t len, uint16_t type) {
  int left = static_cast<int>(len);
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if ((attribute->rta_type & NLA_TYPE_MASK) == type) return attribute;
  }
  return nullptr;
}

uint32_t number(const rtattr* attribute) {
  uint32_t value = 0;
  if (attribute != nullptr && RTA_PAYLOAD(attribute) >= sizeof value) {
    std::memcpy(&value, RTA_DATA(attribute), sizeof value);
  }
  return value;
}

template <typename Header>
const Header* header_of(const nlmsghdr* message) {
  return message->nlmsg_len < NLMSG_LENGTH(sizeof(Header)) ? nullptr : static_cast<const Header*>(NLMSG_DATA(message));
}

template <typename Header>
const rtattr* attributes_of(const nlmsghdr* message, size_t& len) {
  const size_t skipped = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(Header)));
  len = message->nlmsg_len < skipped ? 0 : message->nlmsg_len - skipped;
  return reinterpret_cast<const rtattr*>(reinterpret_cast<const uint8_t*>(message) + skipped);
}

void read_link(const nlmsghdr* message, std::vector<NetworkEvent>& events) {
  const auto* header = header_of<ifinfomsg>(message);
  if (header == nullptr || (header->ifi_flags & IFF_LOOPBACK) != 0) return;
  // A bridge tells of its ports by link messages of its own family.
  if (header->ifi_family != AF_UNSPEC) return;
  NetworkEvent event{.kind = NetworkEventKind::link};
  event.gone = message->nlmsg_type == RTM_DELLINK;
  event.running = (header->ifi_flags & IFF_UP) != 0 && (header->ifi_flags & IFF_RUNNING) != 0;
  event.index = static_cast<uint32_t>(header->ifi_index);
  size_t len = 0;
  const rtattr* attributes = attributes_of<ifinfomsg>(message, len);
  if (const rtattr* name = find(attributes, len, IFLA_IFNAME); name != nullptr) {
    const auto* text = static_cast<const char*>(RTA_DATA(name));
    event.name.assign(text, strnlen(text, RTA_PAYLOAD(name)));
  }
  events.push_back(std::move(event));
}

void read_address(const nlmsghdr* message, std::vector<NetworkEvent>& events) {
  const auto* header = header_of<ifaddrmsg>(message);
  if (header == nullptr || header->ifa_scope >= RT_SCOPE_LINK) return;
  NetworkEvent event{.kind = NetworkEventKind::address};
  event.gone = message->nlmsg_type == RTM_DELADDR;
  event.index = header->ifa_index;
  size_t len = 0;
  const rtattr* attributes = attributes_of<ifaddrmsg>(message, len);
  const rtattr* flags = find(attributes, len, IFA_FLAGS);
  const uint32_t bits = flags == nullptr ? header->ifa_flags : number(flags);
  // It can't be used yet, or never: when that changes there is another message.
  if (!event.gone && (bits & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0) return;
  // On a point-to-point link IFA_ADDRESS is the other end.
  const rtattr* local = find(attributes, len, IFA_LOCAL);
  if (local == nullptr) local = find(attributes, len, IFA_ADDRESS);
  const size_t size = header->ifa_family == AF_INET ? 4 : 16;
  if (local == nullptr || RTA_PAYLOAD(local) < size) return;
  if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6) return;
  char text[INET6_ADDRSTRLEN];
  if (inet_ntop(header->ifa_family, RTA_DATA(local), text, sizeof text) == nullptr) return;
  event.address = text;
  events.push_back(std::move(event));
}

void read_route(const nlmsghdr* message, std::vector<NetworkEvent>& events) {
  const auto* header = header_of<rtmsg>(message);
  if (header == nullptr || (header->rtm_flags & RTM_F_CLONED) != 0) return;
  // The kernel's own follow from addresses, which are told by themselves.
  if (header->rtm_protocol == RTPROT_KERNEL || header->rtm_protocol == RTPROT_REDIRECT) return;
  if (header->rtm_type == RTN_LOCAL || header->rtm_type == RTN_BROADCAST || header->rtm_type == RTN_MULTICAST) return;
  NetworkEvent event{.kind = NetworkEventKind::route};
  event.gone = message->nlmsg_type == RTM_DELROUTE;
  size_t len = 0;
  const rtattr* attributes = attributes_of<rtmsg>(message, len);
  event.index = number(find(attributes, len, RTA_OIF));
  events.push_back(std::move(event));
}

}  // namespace

bool read_network_events(const uint8_t* bytes, size_t len, std::vector<NetworkEvent>& events) {
  bool ended = false;
  int left = static_cast<int>(len);
  const auto* message = reinterpret_cast<const nlmsghdr*>(bytes);
  for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
    switch (message->nlmsg_type) {
      case RTM_NEWLINK:
      case RTM_DELLINK:
        read_link(message, events);
        break;
      case RTM_NEWADDR:
      case RTM_DELADDR:
        read_address(message, events);
        break;
      case RTM_NEWROUTE:
      case RTM_DELROUTE:
        read_route(message, events);
        break;
      case NLMSG_DONE:
      case NLMSG_ERROR:
        ended = true;
        break;
      case NLMSG_OVERRUN:
        events.push_back({.kind = NetworkEventKind::lost});
        break;
    }
  }
  return ended;
}

Status NetworkWatch::open(std::function<void()> wake, std::unique_ptr<NetworkWatch>& watch, int& error) {
  std::unique_ptr<NetworkWatch> made(new NetworkWatch(std::move(wake)));
  if (!made->start()) {
    error = errno;
    return Status::system_error;
  }
  watch = std::move(made);
  return Status::ok;
}

bool NetworkWatch::start() {
  socket_ = UniqueFd(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  stop_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!socket_ || !stop_) return false;
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  local.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (bind(socket_.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) return false;
  if (!request(RTM_GETLINK)) return false;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const auto entry = [](void* self) -> void* { return static_cast<NetworkWatch*>(self)->run(), nullptr; };
  const int failed = pthread_create(&thread_, nullptr, entry, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failed != 0) return errno = failed, false;
  pthread_setname_np(thread_, "ast-net");
  return started_ = true;
}

NetworkWatch::~NetworkWatch() {
  if (!started_) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = write(stop_.get(), &one, sizeof one);
  pthread_join(thread_, nullptr);
}

std::vector<NetworkEvent> NetworkWatch::drain() {
  const std::lock_guard<std::mutex> guard(mutex_);
  return std::exchange(waiting_, {});
}

/** Asks for everything of one kind that there is: it comes as messages like those of changes. */
bool NetworkWatch::request(uint16_t type) {
  struct {
    nlmsghdr header;
    rtgenmsg body;
  } message{};
  message.header.nlmsg_len = NLMSG_LENGTH(sizeof message.body);
  message.header.nlmsg_type = type;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message.body.rtgen_family = AF_UNSPEC;
  return send(socket_.get(), &message, message.header.nlmsg_len, 0) >= 0;
}

void NetworkWatch::run() {
  for (;;) {
    pollfd fds[] = {{socket_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) return;
    if (fds[0].revents != 0) receive();
  }
}

void NetworkWatch::receive() {
  alignas(nlmsghdr) static thread_local uint8_t buffer[BUFFER_BYTES];
  std::vector<NetworkEvent> events;
  for (;;) {
    sockaddr_nl from{};
    socklen_t from_len = sizeof from;
    const ssize_t got = recvfrom(socket_.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &from_len);
    if (got < 0 && errno == ENOBUFS) {
      events.push_back({.kind = NetworkEventKind::lost});
      // A dump that was under way may have lost its end.
      if (dump_ != Dump::done) end_dump(events);
      continue;
    }
    if (got <= 0) break;
    if (from.nl_pid != 0) continue;  // not the kernel
    if (read_network_events(buffer, static_cast<size_t>(got), events) && dump_ != Dump::done) end_dump(events);
  }
  if (!events.empty()) post(std::move(events));
}

void NetworkWatch::end_dump(std::vector<NetworkEvent>& events) {
  dump_ = dump_ == Dump::links && request(RTM_GETADDR) ? Dump::addresses : Dump::done;
  if (dump_ == Dump::done) events.push_back({.kind = NetworkEventKind::ready});
}

void NetworkWatch::post(std::vector<NetworkEvent>&& events) {
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (waiting_.size() + events.size() > MAX_WAITING) {
      waiting_.clear();
      waiting_.push_back({.kind = NetworkEventKind::ready});
      waiting_.push_back({.kind = NetworkEventKind::lost});
    } else {
      for (NetworkEvent& event : events) waiting_.push_back(std::move(event));
    }
  }
  wake_();
}

}  // namespace asterism
