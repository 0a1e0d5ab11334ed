#include "io/link.h"

#include <arpa/inet.h>
#include <linux/udp.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace asterism {
namespace {

constexpr int SOCKET_BUFFER_BYTES = 7 * 1024 * 1024;
constexpr unsigned KERNEL_MAX_SEGMENTS = 128;
constexpr int PORT_ATTEMPTS = 32;
constexpr unsigned DELIVERIES_AT_ONCE = 32;

Status open_status(int error) {
  switch (error) {
    case EADDRINUSE:
      return Status::port_in_use;
    case EADDRNOTAVAIL:
      return Status::address_not_available;
    case ENODEV:
      return Status::no_such_interface;
    case EPERM:
    case EACCES:
      return Status::no_permission;
    case EINVAL:
      return Status::invalid_argument;
    default:
      return Status::system_error;
  }
}

void set_buffer(int fd, int force_option, int option) {
  const int size = SOCKET_BUFFER_BYTES;
  if (setsockopt(fd, SOL_SOCKET, force_option, &size, sizeof size) != 0) {
    setsockopt(fd, SOL_SOCKET, option, &size, sizeof size);
  }
}

bool supports_segmentation(int fd) {
  int size = 0;
  socklen_t len = sizeof size;
  return getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, &len) == 0;
}

}  // namespace

Status Link::open(const LinkOptions& options, int& error, const char*& what) {
  if (options.ipv4.empty() && options.ipv6.empty()) return Status::invalid_argument;
  bind_interface_ = options.bind_interface;
  mark_ = options.mark;
  if (!bind_interface_.empty()) {
    interface_index_ = if_nametoindex(bind_interface_.c_str());
    if (interface_index_ == 0) return Status::no_such_interface;
  }
  // With a port of the kernel's choice, the second family may find it taken: choose again.
  const int attempts = options.port == 0 ? PORT_ATTEMPTS : 1;
  Status status = Status::port_in_use;
  for (int i = 0; i < attempts && status == Status::port_in_use; i++) {
    status = open_pair(options, options.port, error, what);
  }
  if (status != Status::ok) return status;
  const int fd = v4_ ? v4_.get() : v6_.get();
  int gro = 0;
  socklen_t len = sizeof gro;
  gro_ = getsockopt(fd, IPPROTO_UDP, UDP_GRO, &gro, &len) == 0 && gro != 0;
  if (supports_segmentation(fd)) limit_segments(KERNEL_MAX_SEGMENTS);
  return Status::ok;
}

Status Link::open_stream(const UdpAddress& remote, int& error, const char*& what) {
  int ends[2] = {-1, -1};
  // Sequenced packets keep the bounds of frames, and their queue is bounded by bytes, not by a few datagrams.
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    error = errno;
    what = "open a pair of sockets";
    return open_status(error);
  }
  v4_ = UniqueFd(ends[0]);
  inlet_ = UniqueFd(ends[1]);
  set_buffer(inlet_.get(), SO_SNDBUFFORCE, SO_SNDBUF);
  stream_remote_ = remote;
  limit_segments(KERNEL_MAX_SEGMENTS);
  return Status::ok;
}

unsigned Link::deliver(const iovec* frames, unsigned count) const {
  unsigned delivered = 0;
  while (delivered < count) {
    mmsghdr messages[DELIVERIES_AT_ONCE] = {};
    const unsigned wanted = std::min(count - delivered, DELIVERIES_AT_ONCE);
    for (unsigned i = 0; i < wanted; i++) {
      messages[i].msg_hdr.msg_iov = const_cast<iovec*>(&frames[delivered + i]);
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int sent = sendmmsg(inlet_.get(), messages, wanted, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) break;
    delivered += static_cast<unsigned>(sent);
  }
  return delivered;
}

Status Link::open_pair(const LinkOptions& options, uint16_t port, int& error, const char*& what) {
  v4_.reset();
  v6_.reset();
  if (!options.ipv4.empty()) {
    if (!open_socket(v4_, AF_INET, options, port, what)) {
      error = errno;
      return open_status(error);
    }
    port = port_;
  }
  if (!options.ipv6.empty() && !open_socket(v6_, AF_INET6, options, port, what)) {
    error = errno;
    return open_status(error);
  }
  return Status::ok;
}

bool Link::open_socket(UniqueFd& fd, int family, const LinkOptions& options, uint16_t port, const char*& what) {
  what = "open a UDP socket";
  fd = UniqueFd(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!fd) return false;
  if (family == AF_INET6) {
    const int only = 1;
    if (setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) != 0) return false;
  }
  if (!configure(fd.get(), options, what)) return false;
  set_dont_fragment(fd.get(), family == AF_INET6, false);
  what = "bind a UDP socket";
  UdpAddress local;
  const bool v6 = family == AF_INET6;
  if (v6) {
    local.v6.sin6_family = AF_INET6;
    local.v6.sin6_port = htons(port);
    if (inet_pton(AF_INET6, options.ipv6.c_str(), &local.v6.sin6_addr) != 1) return errno = EINVAL, false;
    complete_scope(local);
  } else {
    local.v4.sin_family = AF_INET;
    local.v4.sin_port = htons(port);
    if (inet_pton(AF_INET, options.ipv4.c_str(), &local.v4.sin_addr) != 1) return errno = EINVAL, false;
  }
  if (bind(fd.get(), local.data(), local.len()) != 0) return false;
  socklen_t len = sizeof local.v6;
  if (getsockname(fd.get(), local.data(), &len) != 0) return false;
  port_ = ntohs(v6 ? local.v6.sin6_port : local.v4.sin_port);
  return true;
}

bool Link::configure(int fd, const LinkOptions& options, const char*& what) const {
  set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
  set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
  const int on = 1;
  setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
  if (options.shared_port) {
    what = "share the port";
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return false;
  }
  if (options.mark != 0) {
    what = "set the firewall mark";
    if (setsockopt(fd, SOL_SOCKET, SO_MARK, &options.mark, sizeof options.mark) != 0) return false;
  }
  if (!options.bind_interface.empty()) {
    what = "bind to the network interface";
    const std::string& name = options.bind_interface;
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name.c_str(), static_cast<socklen_t>(name.size())) != 0) {
      return false;
    }
  }
  return true;
}

void Link::switch_stamps(bool v6, bool on) {
  stamps_[v6] = on;
  const int value = on ? 1 : 0;
  setsockopt(fd(v6), SOL_SOCKET, SO_TIMESTAMPNS, &value, sizeof value);
}

bool Link::share_port() {
  const int on = 1;
  for (const UniqueFd* fd : {&v4_, &v6_}) {
    if (*fd && setsockopt(fd->get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return false;
  }
  return true;
}

void Link::set_dont_fragment(int fd, bool v6, bool on) {
  const int mode = on ? (v6 ? IPV6_PMTUDISC_PROBE : IP_PMTUDISC_PROBE) : (v6 ? IPV6_PMTUDISC_DONT : IP_PMTUDISC_DONT);
  setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &mode, sizeof mode);
  const int flag = on ? 1 : 0;
  if (v6) setsockopt(fd, IPPROTO_IPV6, IPV6_DONTFRAG, &flag, sizeof flag);
}

uint32_t Link::path_mtu(const UdpAddress& remote) const {
  const int family = remote.is_v6() ? AF_INET6 : AF_INET;
  const UniqueFd probe(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!probe) return 0;
  if (mark_ != 0) setsockopt(probe.get(), SOL_SOCKET, SO_MARK, &mark_, sizeof mark_);
  if (!bind_interface_.empty()) {
    setsockopt(probe.get(), SOL_SOCKET, SO_BINDTODEVICE, bind_interface_.c_str(),
               static_cast<socklen_t>(bind_interface_.size()));
  }
  if (connect(probe.get(), remote.data(), remote.len()) != 0) return 0;
  int mtu = 0;
  socklen_t len = sizeof mtu;
  const bool v6 = remote.is_v6();
  if (getsockopt(probe.get(), v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU : IP_MTU, &mtu, &len) != 0) return 0;
  const int headers = v6 ? 48 : 28;
  return mtu > headers ? static_cast<uint32_t>(mtu - headers) : 0;
}

void Link::complete_scope(UdpAddress& remote) const {
  if (remote.is_v6() && interface_index_ != 0 && IN6_IS_ADDR_LINKLOCAL(&remote.v6.sin6_addr)) {
    remote.v6.sin6_scope_id = interface_index_;
  }
}

}  // namespace asterism
