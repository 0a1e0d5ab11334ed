#include <arpa/inet.h>
#include <dirent.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/bytes.h"
#include "base/clock.h"
#include "crypto/blake2s.h"
#include "device_pair.h"
#include "packets.h"
#include "random.h"
#include "wire/demux.h"

using namespace asterism;
using namespace asterism::test;

namespace {

/** A packet from agent to agent: its first nibble is 0, so it goes up on the other side. */
Bytes agent_packet(uint8_t tag, size_t len = 48) {
  Bytes packet(len, tag);
  packet[0] = 0x0A;
  return packet;
}

/** An overlay packet from a to b, with a payload of the given length. */
Bytes overlay_packet(size_t payload) { return make_packet({.protocol = PROTOCOL_UDP, .payload = payload}); }

bool send_inner(End& from, const Bytes& packet) {
  return from.device->send_inner(from.peer, packet.data(), packet.size()) == Status::ok;
}

size_t entries(const char* folder) {
  size_t count = 0;
  DIR* dir = opendir(folder);
  while (readdir(dir) != nullptr) count++;
  closedir(dir);
  return count;
}

/** A plain UDP socket on loopback, for what no engine would send. */
class RawSocket {
 public:
  RawSocket() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    socklen_t len = sizeof address;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &len);
    port_ = ntohs(address.sin_port);
  }
  ~RawSocket() { close(fd_); }
  uint16_t port() const { return port_; }

  void send(uint16_t port, const Bytes& bytes) {
    UdpAddress to;
    parse_udp_address("127.0.0.1", port, to);
    sendto(fd_, bytes.data(), bytes.size(), 0, to.data(), to.len());
  }
  Bytes receive() {
    Bytes bytes(2048);
    pollfd readable{fd_, POLLIN, 0};
    if (poll(&readable, 1, 2000) != 1) return {};
    bytes.resize(static_cast<size_t>(recv(fd_, bytes.data(), bytes.size(), 0)));
    return bytes;
  }

 private:
  int fd_;
  uint16_t port_;
};

unsigned soak(unsigned normal, unsigned long_run) {
  return std::getenv("ASTERISM_SOAK") != nullptr ? long_run : normal;
}

}  // namespace

TEST_CASE("packets travel both ways, by every cipher, thread mode and encapsulation") {
  if (!can_open_devices()) return;
  for (const unsigned threads : {1u, 2u}) {
    for (const uint16_t channel : {uint16_t{0}, uint16_t{0x4003}}) {
      for (const Aead aead : {Aead::chacha20_poly1305, Aead::aes_256_gcm}) {
        DevicePair pair(threads, channel, channel != 0);
        pair.install(1, aead);
        REQUIRE(send_inner(pair.a, agent_packet(1)));
        REQUIRE(send_inner(pair.b, agent_packet(2)));
        REQUIRE(eventually(pair, [&] {
          return count_events(pair.a, EventKind::inner) == 1 && count_events(pair.b, EventKind::inner) == 1;
        }));
        CHECK(pair.b.events[0].bytes == agent_packet(1));
        CHECK(pair.b.events[0].from.channel == channel);
        // Counted after the system call, so perhaps after the other side has the packet.
        CHECK(eventually(pair, [&] { return get(pair.a.counters().tx_packets) == 1; }));
        CHECK(eventually(pair, [&] { return get(pair.b.counters().paths[0].rx_packets) == 1; }));
        CHECK(get(pair.b.counters().rx_packets) == 1);
        CHECK(get(pair.b.counters().rx_relayed_packets) == (channel != 0 ? 1 : 0));
      }
    }
  }
}

TEST_CASE("a packet without a session waits, asks for one, and goes when it comes") {
  if (!can_open_devices()) return;
  DevicePair pair;
  REQUIRE(send_inner(pair.a, agent_packet(1)));
  REQUIRE(send_inner(pair.a, agent_packet(2)));
  REQUIRE(eventually(pair, [&] { return count_events(pair.a, EventKind::session_needed) == 1; }));
  CHECK(get(pair.a.counters().last_staged_at) > 0);
  pair.install(1, Aead::chacha20_poly1305, true);
  REQUIRE(eventually(pair, [&] { return count_events(pair.b, EventKind::inner) == 2; }));
  CHECK(count_events(pair.b, EventKind::session_confirmed) == 1);
  CHECK(count_events(pair.a, EventKind::session_needed) == 1);
  CHECK(pair.b.events.back().bytes == agent_packet(2));
}

TEST_CASE("the responder does not send before the initiator has") {
  if (!can_open_devices()) return;
  DevicePair pair;
  pair.install(1, Aead::chacha20_poly1305, true);
  REQUIRE(send_inner(pair.b, agent_packet(3)));
  REQUIRE(eventually(pair, [&] { return count_events(pair.b, EventKind::session_needed) == 1; }));
  CHECK(count_events(pair.a, EventKind::inner) == 0);
  REQUIRE(pair.a.device->send_keepalive(pair.a.peer) == Status::ok);
  REQUIRE(eventually(pair, [&] { return count_events(pair.a, EventKind::inner) == 1; }));
  CHECK(get(pair.a.counters().last_received_at) > 0);
  CHECK(get(pair.b.counters().last_received_at) > 0);
  CHECK(get(pair.b.counters().last_data_received_at) == 0);
}

TEST_CASE("packets in the previous session still arrive after a change, in older ones not") {
  if (!can_open_devices()) return;
  DevicePair pair;
  pair.install(1);
  REQUIRE(pair.b.device->install_session(pair.b.peer, pair.session(false, 2)) == Status::ok);
  REQUIRE(send_inner(pair.a, agent_packet(1)));
  REQUIRE(eventually(pair, [&] { return count_events(pair.b, EventKind::inner) == 1; }));
  REQUIRE(pair.b.device->install_session(pair.b.peer, pair.session(false, 3)) == Status::ok);
  REQUIRE(send_inner(pair.a, agent_packet(2)));
  REQUIRE(eventually(pair, [&] { return pair.b.drops(Drop::unknown_index) == 1; }));
  CHECK(count_events(pair.b, EventKind::inner) == 1);
}

TEST_CASE("an expired session neither sends nor receives") {
  if (!can_open_devices()) return;
  DevicePair pair;
  SessionOptions expired = pair.session(false, 1);
  expired.expires_at_ns = now_ns() - 1;
  REQUIRE(pair.b.device->install_session(pair.b.peer, expired) == Status::ok);
  REQUIRE(pair.a.device->install_session(pair.a.peer, pair.session(true, 1)) == Status::ok);
  REQUIRE(send_inner(pair.a, agent_packet(1)));
  REQUIRE(eventually(pair, [&] { return pair.b.drops(Drop::session_expired) == 1; }));
  REQUIRE(send_inner(pair.b, agent_packet(2)));
  REQUIRE(eventually(pair, [&] { return count_events(pair.b, EventKind::session_needed) == 1; }));
}

TEST_CASE("replayed, forged and foreign packets are dropped by reason and change nothing") {
  if (!can_open_devices()) return;
  DevicePair pair;
  RawSocket wire;
  pair.install(1);
  // a sends to the raw socket, which plays the network.
  PathSpec tapped = pair.path(pair.a, pair.b);
  REQUIRE(parse_udp_address("127.0.0.1", wire.port(), tapped.to.remote));
  std::vector<uint8_t> slots;
  REQUIRE(pair.a.device->set_paths(pair.a.peer, {tapped}, PathMode::best, slots) == Status::ok);
  REQUIRE(send_inner(pair.a, agent_packet(1)));
  const Bytes genuine = wire.receive();
  REQUIRE(genuine.size() == 48 + TRANSPORT_OVERHEAD_BYTES);

  const uint16_t port = pair.b.link->port();
  Bytes forged = genuine;
  forged[30] ^= 1;
  wire.send(port, forged);
  REQUIRE(eventually(pair, [&] { return pair.b.drops(Drop::auth_failed) == 1; }));
  CHECK(count_events(pair.b, EventKind::roamed) == 0);
  wire.send(port, genuine);
  REQUIRE(eventually(pair, [&] { return count_events(pair.b, EventKind::inner) == 1; }));
  CHECK(count_events(pair.b, EventKind::roamed) == 1);
  wire.send(port, genuine);
  REQUIRE(eventually(pair, [&] { return pair.b.drops(Drop::replayed) == 1; }));
  Bytes foreign = genuine;
  foreign[4] ^= 0xFF;
  wire.send(port, foreign);
  REQUIRE(eventually(pair, [&] { return pair.b.drops(Drop::unknown_index) == 1; }));
  CHECK(get(pair.b.counters().rx_packets) == 1);

  // Once per new address.
  REQUIRE(send_inner(pair.a, agent_packet(2)));
  wire.send(port, wire.receive());
  REQUIRE(eventually(pair, [&] { return count_events(pair.b, EventKind::inner) == 2; }));
  CHECK(count_events(pair.b, EventKind::roamed) == 1);
}

TEST_CASE("a peer that floods the agent with packets for itself is heard now and then") {
  if (!can_open_devices()) return;
  DevicePair pair;
  pair.install(1);
  const uint64_t began = now_ns();
  for (unsigned i = 0; i < 3000; i++) {
    send_inner(pair.a, agent_packet(1));
    if (i % 64 == 63) usleep(1000);
  }
  const auto arrived = [&] { return count_events(pair.b, EventKind::inner) + pair.b.drops(Drop::rate_limited); };
  REQUIRE(eventually(pair, [&] { return arrived() + pair.a.drops(Drop::inbox_full) >= 2900; }));
  const uint64_t most = 500 + (now_ns() - began) * 500 / NS_PER_SECOND + 1;
  CHECK(count_events(pair.b, EventKind::inner) >= 500);
  CHECK(count_events(pair.b, EventKind::inner) <= most);
  CHECK(pair.b.drops(Drop::rate_limited) > 0);
}

TEST_CASE("inner packets are held to the sender's allowed IPs") {
  if (!can_open_devices()) return;
  DevicePair pair;
  pair.install(1);
  Bytes packet = overlay_packet(100);
  REQUIRE(send_inner(pair.a, packet));
  packet[15] = 9;  // 100.64.0.9
  REQUIRE(send_inner(pair.a, packet));
  REQUIRE(eventually(pair, [&] { return pair.b.drops(Drop::source_not_allowed) == 1; }));
  CHECK(eventually(pair, [&] { return get(pair.b.counters().rx_packets) == 2; }));
}

TEST_CASE("handshake messages go up only with a right mac1, STUN as it is") {
  if (!can_open_devices()) return;
  DevicePair pair;
  RawSocket wire;
  Bytes initiation(148);
  initiation[0] = 1;
  wire.send(pair.b.link->port(), initiation);
  REQUIRE(eventually(pair, [&] { return pair.b.drops(Drop::bad_mac1) == 1; }));
  uint8_t labelled[40] = {'m', 'a', 'c', '1', '-', '-', '-', '-'};
  uint8_t key[32];
  blake2s(key, 32, nullptr, 0, labelled, 40);
  blake2s(initiation.data() + 116, 16, key, 32, initiation.data(), 116);
  wire.send(pair.b.link->port(), initiation);
  Bytes stun(20);
  stun[1] = 1;
  store_be32(stun.data() + 4, 0x2112A442);
  wire.send(pair.b.link->port(), stun);
  REQUIRE(eventually(pair, [&] { return count_events(pair.b, EventKind::datagram) == 2; }));
  CHECK(pair.b.events[0].bytes == initiation);
  CHECK(pair.b.events[0].from.link == pair.b.link->id);
  CHECK(pair.b.events[1].stun);
}

TEST_CASE("a flood of STUN by strangers does not keep out whom the device has sent to") {
  if (!can_open_devices()) return;
  DevicePair pair;
  RawSocket wire, friendly;
  Bytes stun(20);
  stun[1] = 1;
  store_be32(stun.data() + 4, 0x2112A442);
  PathAddress to{.link = pair.b.link->id};
  REQUIRE(parse_udp_address("127.0.0.1", friendly.port(), to.remote));
  REQUIRE(pair.b.device->send(to, stun.data(), stun.size()) == Status::ok);
  const auto from_friend = [&](const Event& event) {
    return event.kind == EventKind::datagram && ntohs(event.from.remote.v4.sin_port) == friendly.port();
  };
  REQUIRE(eventually(pair, [&] {
    for (unsigned i = 0; i < 500; i++) wire.send(pair.b.link->port(), stun);
    return pair.b.drops(Drop::rate_limited) > 2000;
  }));
  for (unsigned round = 0; round < 20; round++) {
    for (unsigned i = 0; i < 400; i++) wire.send(pair.b.link->port(), stun);
    friendly.send(pair.b.link->port(), stun);
  }
  CHECK(eventually(pair, [&] {
    return std::count_if(pair.b.events.begin(), pair.b.events.end(), from_friend) == 20;
  }));
}

TEST_CASE("in redundant mode a packet travels on two paths and arrives once") {
  if (!can_open_devices()) return;
  DevicePair pair;
  pair.install(1);
  const Link* second = nullptr;
  Failure failure;
  REQUIRE(pair.b.device->open_link({.ipv4 = "127.0.0.1"}, second, failure) == Status::ok);
  PathSpec direct = pair.path(pair.a, pair.b), other = direct;
  REQUIRE(parse_udp_address("127.0.0.1", second->port(), other.to.remote));
  std::vector<uint8_t> slots;
  REQUIRE(pair.a.device->set_paths(pair.a.peer, {direct, other}, PathMode::redundant, slots) == Status::ok);
  CHECK(slots == std::vector<uint8_t>{0, 1});
  for (uint8_t i = 0; i < 20; i++) REQUIRE(send_inner(pair.a, agent_packet(i)));
  REQUIRE(eventually(pair, [&] {
    return count_events(pair.b, EventKind::inner) == 20 && pair.b.drops(Drop::replayed) == 20;
  }));
  for (const unsigned slot : {0u, 1u}) {
    CHECK(eventually(pair, [&] { return get(pair.a.counters().paths[slot].tx_packets) == 20; }));
  }
}

TEST_CASE("arbitrary datagrams do no harm") {
  if (!can_open_devices()) return;
  DevicePair pair;
  RawSocket wire;
  pair.install(1);
  Random random(11);
  for (int i = 0; i < 3000; i++) {
    Bytes bytes(random.below(200));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.next());
    const uint8_t first[] = {1, 2, 3, 4, 4, 0, 0x40, 0x4F};
    if (!bytes.empty() && random.chance(80)) bytes[0] = first[random.below(8)];
    if (bytes.size() > 8 && random.chance(60)) bytes[1] = bytes[2] = bytes[3] = 0;
    if (bytes.size() > 8 && random.chance(40)) store_le32(bytes.data() + 4, 0x20001);
    wire.send(pair.b.link->port(), bytes);
    if (i % 100 == 0) usleep(1000);
  }
  REQUIRE(send_inner(pair.a, agent_packet(9)));
  REQUIRE(eventually(pair, [&] { return count_events(pair.b, EventKind::inner) == 1; }));
  CHECK(pair.b.drops(Drop::auth_failed) > 0);
  CHECK(pair.b.drops(Drop::unknown_index) > 0);
}

TEST_CASE("sessions, peers and links change under traffic") {
  if (!can_open_devices()) return;
  DevicePair pair;
  const Bytes packet = overlay_packet(1200);
  Failure failure;
  const unsigned rounds = soak(600, 10'000);
  for (unsigned round = 1; round <= rounds; round++) {
    pair.install(round, round % 2 == 0 ? Aead::aes_256_gcm : Aead::chacha20_poly1305, round % 3 == 0);
    for (int i = 0; i < 5; i++) {
      REQUIRE(send_inner(pair.a, packet));
      REQUIRE(send_inner(pair.b, agent_packet(1)));
    }
    if (round % 7 == 0) {
      PeerId other = 0;
      const Link* link = nullptr;
      REQUIRE(pair.a.device->add_peer(other) == Status::ok);
      REQUIRE(pair.a.device->send_inner(other, packet.data(), packet.size()) == Status::ok);
      REQUIRE(pair.b.device->open_link({.ipv4 = "127.0.0.1"}, link, failure) == Status::ok);
      REQUIRE(pair.a.device->remove_peer(other) == Status::ok);
      REQUIRE(pair.b.device->close_link(link->id) == Status::ok);
    }
    if (round % 5 == 0) {
      std::vector<uint8_t> slots;
      REQUIRE(pair.a.device->set_paths(pair.a.peer, {pair.path(pair.a, pair.b)}, PathMode::best, slots) == Status::ok);
    }
    if (round % 64 == 0) {
      pair.a.device->drain_events();
      pair.b.device->drain_events();
    }
  }
  pair.install(rounds + 1);
  REQUIRE(send_inner(pair.a, agent_packet(77)));
  REQUIRE(eventually(pair, [&] {
    return std::any_of(pair.b.events.begin(), pair.b.events.end(),
                       [](const Event& event) { return event.bytes == agent_packet(77); });
  }));
}

TEST_CASE("workers seal and open the super-packets of the host, none lost") {
  if (!can_open_devices()) return;
  for (const unsigned workers : {1u, 3u}) {
    DevicePair pair(workers == 1 ? 1 : 2, workers == 1 ? 0 : 0x4007, false, workers);
    pair.install(1, workers == 1 ? Aead::chacha20_poly1305 : Aead::aes_256_gcm);
    REQUIRE(set_address("asta", "100.64.0.1"));
    Prefix beyond{};
    REQUIRE(parse_prefix("100.64.9.0/24", beyond));
    REQUIRE(pair.a.device->set_allowed_ips(pair.a.peer, {beyond}) == Status::ok);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int segment = 1300;
    setsockopt(fd, IPPROTO_UDP, 103 /* UDP_SEGMENT */, &segment, sizeof segment);
    UdpAddress to;
    REQUIRE(parse_udp_address("100.64.9.9", 5000, to));
    const Bytes payload(segment * 40, 0x5A);
    const uint64_t before = get(pair.b.counters().rx_packets);
    constexpr unsigned SENDS = 60;
    for (unsigned i = 0; i < SENDS; i++) {
      REQUIRE(sendto(fd, payload.data(), payload.size(), 0, to.data(), to.len()) == static_cast<ssize_t>(payload.size()));
      if (i % 4 == 0) REQUIRE(send_inner(pair.a, agent_packet(3)));
      // Keeps the TUN's queue and the socket's buffer within what they hold; the interesting part is four at once.
      if (i % 4 == 3) usleep(3000);
      if (i == SENDS / 2) pair.install(2, Aead::chacha20_poly1305);
    }
    close(fd);
    CHECK(eventually(pair, [&] { return get(pair.b.counters().rx_packets) - before >= SENDS * 40 + SENDS / 4; }));
    CHECK(pair.b.drops(Drop::auth_failed) == 0);
    CHECK(pair.b.drops(Drop::replayed) == 0);
    CHECK(pair.b.drops(Drop::unknown_datagram) == 0);
  }
}

TEST_CASE("a thousand peers share one device") {
  if (!can_open_devices()) return;
  DevicePair pair;
  std::vector<PeerId> peers;
  for (unsigned i = 0; i < 1000; i++) {
    PeerId id = 0;
    REQUIRE(pair.a.device->add_peer(id) == Status::ok);
    Prefix prefix{};
    prefix.address.bytes[0] = 100;
    prefix.address.bytes[1] = 65;
    store_be16(prefix.address.bytes + 2, static_cast<uint16_t>(i));
    prefix.length = 32;
    REQUIRE(pair.a.device->set_allowed_ips(id, {prefix}) == Status::ok);
    peers.push_back(id);
  }
  for (const PeerId id : peers) REQUIRE(pair.a.device->remove_peer(id) == Status::ok);
  PeerId again = 0;
  REQUIRE(pair.a.device->add_peer(again) == Status::ok);
  CHECK(again == peers.back());
}

TEST_CASE("opening and closing gives everything back") {
  if (!can_open_devices()) return;
  { DevicePair warm_up; }
  const size_t files = entries("/proc/self/fd");
  for (unsigned i = 0; i < soak(30, 1000); i++) {
    DevicePair pair(1 + i % 2);
    pair.install(1);
    REQUIRE(send_inner(pair.a, agent_packet(1)));
    if (i % 3 == 0) REQUIRE(send_inner(pair.b, agent_packet(1)));
  }
  CHECK(entries("/proc/self/fd") == files);
  CHECK(entries("/proc/self/task") <= 4);
}

TEST_CASE("what the host refuses is told apart") {
  if (!can_open_devices()) return;
  DevicePair pair;
  Failure failure;
  std::unique_ptr<Device> other;
  DeviceOptions options;
  options.interface_name = "asta";
  CHECK(Device::open(options, [] {}, other, failure) == Status::interface_name_taken);
  options.interface_name = "lo";
  CHECK(Device::open(options, [] {}, other, failure) == Status::interface_name_taken);
  options.interface_name = "a-name-that-is-too-long";
  CHECK(Device::open(options, [] {}, other, failure) == Status::invalid_argument);
  const Link* link = nullptr;
  CHECK(pair.a.device->open_link({.port = pair.b.link->port(), .ipv4 = "127.0.0.1"}, link, failure) == Status::port_in_use);
  CHECK(pair.a.device->open_link({.ipv4 = "192.0.2.1"}, link, failure) == Status::address_not_available);
  CHECK(pair.a.device->open_link({.ipv4 = "0.0.0.0", .bind_interface = "none0"}, link, failure) == Status::no_such_interface);
  CHECK(pair.a.device->open_link({}, link, failure) == Status::invalid_argument);
  CHECK(pair.a.device->close_link(4711) == Status::unknown_link);
  CHECK(pair.a.device->remove_peer(99) == Status::unknown_peer);
  CHECK(pair.a.device->remove_session(pair.a.peer, 5) == Status::unknown_session);
  pair.install(1);
  CHECK(pair.a.device->install_session(pair.a.peer, pair.session(true, 1)) == Status::index_in_use);
  pair.a.device->close();
  pair.a.device->close();
  CHECK(pair.a.device->send_keepalive(pair.a.peer) == Status::closed);
}
