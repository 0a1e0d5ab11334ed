#include "device_pair.h"

#include <doctest/doctest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "base/clock.h"

namespace asterism::test {
namespace {

bool bring_up(const char* name) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  const bool up = ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  close(fd);
  return up;
}

Prefix prefix(uint8_t last) {
  Prefix result{};
  parse_prefix(last == 1 ? "100.64.0.1/32" : "100.64.0.2/32", result);
  return result;
}

}  // namespace

bool can_open_devices() {
  static const bool can = [] {
    if (unshare(CLONE_NEWNET) == 0 && bring_up("lo") && access("/dev/net/tun", R_OK | W_OK) == 0) return true;
    std::puts("skipped: device tests need root rights and /dev/net/tun");
    return false;
  }();
  return can;
}

DevicePair::DevicePair(unsigned threads, uint16_t channel, bool v6, unsigned workers) : channel_(channel), v6_(v6) {
  open(a, "asta", threads, workers);
  open(b, "astb", threads, workers);
  REQUIRE(a.device->set_allowed_ips(a.peer, {prefix(2)}) == Status::ok);
  REQUIRE(b.device->set_allowed_ips(b.peer, {prefix(1)}) == Status::ok);
  std::vector<uint8_t> slots;
  REQUIRE(a.device->set_paths(a.peer, {path(a, b)}, PathMode::best, slots) == Status::ok);
  REQUIRE(b.device->set_paths(b.peer, {path(b, a)}, PathMode::best, slots) == Status::ok);
}

void DevicePair::open(End& end, const char* name, unsigned threads, unsigned workers) {
  DeviceOptions options;
  options.interface_name = name;
  options.ping_identifier = 0xA57E;
  options.threads = threads;
  options.workers = workers;
  Failure failure;
  REQUIRE(Device::open(options, [] {}, end.device, failure) == Status::ok);
  REQUIRE(bring_up(name));
  REQUIRE(end.device->open_link({.ipv4 = "127.0.0.1", .ipv6 = "::1"}, end.link, failure) == Status::ok);
  REQUIRE(end.device->add_peer(end.peer) == Status::ok);
}

PathSpec DevicePair::path(const End& from, const End& to) const {
  PathSpec spec{.relayed = channel_ != 0, .weight = 1};
  spec.to.link = from.link->id;
  spec.to.channel = channel_;
  REQUIRE(parse_udp_address(v6_ ? "::1" : "127.0.0.1", to.link->port(), spec.to.remote));
  return spec;
}

SessionOptions DevicePair::session(bool of_a, unsigned round, Aead aead) {
  std::memset(keys_[0], static_cast<int>(round * 2 + 1), 32);
  std::memset(keys_[1], static_cast<int>(round * 2 + 2), 32);
  const uint32_t index_a = 0x10000 + round, index_b = 0x20000 + round;
  return {.local_index = of_a ? index_a : index_b,
          .remote_index = of_a ? index_b : index_a,
          .send_key = keys_[of_a ? 0 : 1],
          .receive_key = keys_[of_a ? 1 : 0],
          .aead = aead,
          .initiator = true,
          .expires_at_ns = now_ns() + 180 * NS_PER_SECOND};
}

void DevicePair::install(unsigned round, Aead aead, bool b_responds) {
  SessionOptions of_b = session(false, round, aead);
  of_b.initiator = !b_responds;
  REQUIRE(b.device->install_session(b.peer, of_b) == Status::ok);
  REQUIRE(a.device->install_session(a.peer, session(true, round, aead)) == Status::ok);
}

bool set_address(const char* name, const char* address) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  bool set = true;
  for (const auto& [request_code, text] : {std::pair{SIOCSIFADDR, address}, std::pair{SIOCSIFNETMASK, "255.255.0.0"}}) {
    ifreq request{};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    UdpAddress value;
    parse_udp_address(text, 0, value);
    std::memcpy(&request.ifr_addr, value.data(), sizeof(sockaddr_in));
    set = set && ioctl(fd, request_code, &request) == 0;
  }
  close(fd);
  return set;
}

bool eventually(DevicePair& pair, const std::function<bool()>& condition) {
  const uint64_t deadline = now_ns() + 5 * NS_PER_SECOND;
  while (now_ns() < deadline) {
    for (End* end : {&pair.a, &pair.b}) {
      for (Event& event : end->device->drain_events()) end->events.push_back(std::move(event));
    }
    if (condition()) return true;
    usleep(500);
  }
  return false;
}

size_t count_events(const End& end, EventKind kind) {
  size_t count = 0;
  for (const Event& event : end.events) count += event.kind == kind;
  return count;
}

}  // namespace asterism::test
