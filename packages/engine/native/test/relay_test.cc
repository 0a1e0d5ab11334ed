#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "relay/relay.h"

using namespace asterism;

namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint16_t CHANNEL = 0x4001;

Bytes bytes_of(const char* text) { return {text, text + std::strlen(text)}; }

Bytes channel_data(uint16_t channel, const Bytes& data) {
  Bytes frame(4);
  store_be16(frame.data(), channel);
  store_be16(frame.data() + 2, static_cast<uint16_t>(data.size()));
  frame.insert(frame.end(), data.begin(), data.end());
  return frame;
}

Bytes stun_header(uint16_t type, size_t body) {
  Bytes bytes(20);
  store_be16(bytes.data(), type);
  store_be16(bytes.data() + 2, static_cast<uint16_t>(body));
  store_be32(bytes.data() + 4, 0x2112A442);
  return bytes;
}

/** A Send indication: a Data indication has the same attributes. */
Bytes send_indication(const UdpAddress& peer, const Bytes& data, bool dont_fragment = false) {
  uint8_t header[DATA_INDICATION_MAX_HEADER_BYTES];
  const uint8_t id[12] = {};
  const size_t header_len = write_data_indication_header(header, peer, data.size(), id);
  Bytes bytes(header, header + header_len);
  bytes.insert(bytes.end(), data.begin(), data.end());
  bytes.resize(bytes.size() + padding_of(data.size()));
  if (dont_fragment) bytes.insert(bytes.end(), {0x00, 0x1A, 0x00, 0x00});
  store_be16(bytes.data(), 0x0016);
  store_be16(bytes.data() + 2, static_cast<uint16_t>(bytes.size() - 20));
  return bytes;
}

/** A UDP socket on loopback. */
class Endpoint {
 public:
  explicit Endpoint(bool v6 = false) : fd_(socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    REQUIRE(parse_udp_address(v6 ? "::1" : "127.0.0.1", 0, address));
    REQUIRE(bind(fd_, address.data(), address.len()) == 0);
    socklen_t len = sizeof address.v6;
    getsockname(fd_, address.data(), &len);
  }
  ~Endpoint() { close(fd_); }

  void send(const UdpAddress& to, const Bytes& data) {
    CHECK(sendto(fd_, data.data(), data.size(), 0, to.data(), to.len()) == static_cast<ssize_t>(data.size()));
  }
  /** The next datagram; empty after 2 s. */
  Bytes receive(UdpAddress* from = nullptr) {
    pollfd readable{fd_, POLLIN, 0};
    if (poll(&readable, 1, 2000) != 1) return {};
    Bytes data(70000);
    UdpAddress source;
    socklen_t len = sizeof source.v6;
    const ssize_t got = recvfrom(fd_, data.data(), data.size(), 0, source.data(), &len);
    data.resize(got < 0 ? 0 : static_cast<size_t>(got));
    if (from != nullptr) *from = source;
    return data;
  }

  UdpAddress address;

 private:
  int fd_;
};

struct RelayFixture {
  std::mutex mutex;
  std::condition_variable woken;
  bool awake = false;
  std::unique_ptr<Relay> relay;
  uint32_t listener_id = 0;
  UdpAddress server;
  Failure failure;

  explicit RelayFixture(unsigned threads = 2, const RequestLimits& limits = {}) {
    RelayOptions options;
    options.threads = threads;
    options.limits = limits;
    const auto wake = [this] {
      const std::lock_guard lock(mutex);
      awake = true;
      woken.notify_all();
    };
    REQUIRE(Relay::open(options, wake, relay) == Status::ok);
    LinkOptions link;
    link.ipv4 = "127.0.0.1";
    const RelayListener* listener = nullptr;
    REQUIRE(relay->open_listener(link, listener, failure) == Status::ok);
    listener_id = listener->id;
    REQUIRE(parse_udp_address("127.0.0.1", listener->ingress(0).link.port(), server));
  }

  AllocationOptions options_of(const Endpoint& client) {
    AllocationOptions options;
    options.client = {listener_id, client.address};
    options.ipv4 = "127.0.0.1";
    options.expires_at_ns = forever();
    return options;
  }
  uint32_t allocate(const AllocationOptions& options) {
    uint32_t id = ~0u;
    REQUIRE(relay->open_allocation(options, id, failure) == Status::ok);
    return id;
  }
  static uint64_t forever() { return now_ns() + 3600 * NS_PER_SECOND; }

  std::vector<RelayEvent> events() {
    std::unique_lock lock(mutex);
    woken.wait_for(lock, std::chrono::seconds(2), [this] { return awake; });
    awake = false;
    lock.unlock();
    return relay->drain_events();
  }
  /** Waits until the reason has been counted as often. */
  uint64_t drops(RelayDrop reason, uint64_t wanted) {
    for (int i = 0; i < 2000 && count(reason) < wanted; i++) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return count(reason);
  }
  uint64_t count(RelayDrop reason) { return relay->drops()->counts[static_cast<unsigned>(reason)].load(); }
};

}  // namespace

TEST_CASE("datagrams of TURN clients are told apart") {
  const auto kind = [](const Bytes& bytes) { return classify_turn(bytes.data(), bytes.size()).kind; };
  CHECK(kind(channel_data(0x4000, bytes_of("x"))) == TurnKind::channel_data);
  CHECK(kind(channel_data(0x7FFE, {})) == TurnKind::channel_data);
  CHECK(kind(stun_header(0x0003, 0)) == TurnKind::stun);
  CHECK(kind(stun_header(0x0016, 0)) == TurnKind::send_indication);
  CHECK(kind(stun_header(0x0003, 4)) == TurnKind::malformed);
  CHECK(kind({0x40, 0x01, 0x00, 0x02, 0x00}) == TurnKind::malformed);
  CHECK(kind({0x40, 0x01, 0x00, 0x00, 1, 2, 3, 4}) == TurnKind::malformed);
  CHECK(kind({0x80, 0, 0, 0}) == TurnKind::unknown);
  CHECK(kind({}) == TurnKind::unknown);
  Bytes classic(20);
  classic[1] = 1;
  CHECK(kind(classic) == TurnKind::classic_stun);
  classic[1] = 3;
  CHECK(kind(classic) == TurnKind::unknown);
}

TEST_CASE("a Send indication needs peer and data and knows all that must be known") {
  UdpAddress peer;
  REQUIRE(parse_udp_address("2001:db8::7", 4660, peer));
  const Bytes good = send_indication(peer, bytes_of("hello"), true);
  SendIndication indication;
  REQUIRE(parse_send_indication(good.data(), good.size(), indication));
  CHECK(indication.peer == peer);
  CHECK(std::string(indication.data, indication.data + indication.len) == "hello");
  CHECK(indication.dont_fragment);
  Bytes unknown = good;
  store_be16(unknown.data() + unknown.size() - 4, 0x0033);
  CHECK(!parse_send_indication(unknown.data(), unknown.size(), indication));
  const Bytes empty = stun_header(0x0016, 0);
  CHECK(!parse_send_indication(empty.data(), empty.size(), indication));
  for (size_t len = 20; len < good.size() - 4; len++) parse_send_indication(good.data(), len, indication);
}

TEST_CASE("channels and permissions decide what is forwarded") {
  for (const unsigned threads : {1u, 2u, 5u}) {
    RelayFixture fixture(threads);
    Endpoint client, peer, stranger;
    const uint32_t id = fixture.allocate(fixture.options_of(client));
    REQUIRE(fixture.relay->set_permission(id, peer.address, false, RelayFixture::forever()) == Status::ok);
    REQUIRE(fixture.relay->set_channel(id, CHANNEL, peer.address, RelayFixture::forever()) == Status::ok);

    UdpAddress relayed;
    client.send(fixture.server, channel_data(CHANNEL, bytes_of("ping")));
    CHECK(peer.receive(&relayed) == bytes_of("ping"));
    peer.send(relayed, bytes_of("pong!"));
    CHECK(client.receive() == channel_data(CHANNEL, bytes_of("pong!")));
    peer.send(relayed, {});
    CHECK(client.receive() == channel_data(CHANNEL, {}));

    // A permitted peer without a channel: the same address, another port.
    client.send(fixture.server, send_indication(stranger.address, bytes_of("hi"), true));
    UdpAddress from;
    CHECK(stranger.receive(&from) == bytes_of("hi"));
    CHECK(from == relayed);
    stranger.send(relayed, bytes_of("indicate"));
    const Bytes got = client.receive();
    SendIndication indication;
    REQUIRE(got.size() == 20 + 12 + 4 + 8);
    CHECK(load_be16(got.data()) == 0x0017);
    REQUIRE(parse_send_indication(got.data(), got.size(), indication));
    CHECK(indication.peer == stranger.address);
    CHECK(indication.len == 8);

    client.send(fixture.server, channel_data(CHANNEL + 1, bytes_of("x")));
    CHECK(fixture.drops(RelayDrop::no_channel, 1) == 1);
    stranger.send(fixture.server, channel_data(CHANNEL, bytes_of("x")));
    CHECK(fixture.drops(RelayDrop::no_allocation, 1) == 1);
    REQUIRE(fixture.relay->set_permission(id, peer.address, false, 0) == Status::ok);
    client.send(fixture.server, channel_data(CHANNEL, bytes_of("x")));
    peer.send(relayed, bytes_of("x"));
    CHECK(fixture.drops(RelayDrop::no_permission, 2) == 2);
    const auto counters = fixture.relay->counter_chunk(0);
    CHECK(counters->allocations[id % MAX_ALLOCATIONS].to_peer_packets.load() == 2);
    CHECK(counters->allocations[id % MAX_ALLOCATIONS].to_client_packets.load() == 3);
    CHECK(counters->allocations[id % MAX_ALLOCATIONS].to_client_bytes.load() == 13);
  }
}

TEST_CASE("clients are divided among the workers, and each talks with its peer at one address") {
  RelayFixture fixture(4);
  struct Pair {
    Endpoint client, peer;
    uint32_t id = 0;
  };
  std::vector<std::unique_ptr<Pair>> pairs;
  for (uint8_t i = 0; i < 40; i++) {
    pairs.emplace_back(new Pair());
    Pair& pair = *pairs.back();
    pair.id = fixture.allocate(fixture.options_of(pair.client));
    REQUIRE(fixture.relay->set_permission(pair.id, pair.peer.address, false, RelayFixture::forever()) == Status::ok);
    REQUIRE(fixture.relay->set_channel(pair.id, CHANNEL, pair.peer.address, RelayFixture::forever()) == Status::ok);
    for (uint8_t j = 0; j < 20; j++) pair.client.send(fixture.server, channel_data(CHANNEL, Bytes{i, j}));
  }
  for (uint8_t i = 0; i < 40; i++) {
    UdpAddress relayed, server;
    for (uint8_t j = 0; j < 20; j++) CHECK(pairs[i]->peer.receive(&relayed) == Bytes{i, j});
    pairs[i]->peer.send(relayed, Bytes{i});
    CHECK(pairs[i]->client.receive(&server) == channel_data(CHANNEL, Bytes{i}));
    CHECK(server == fixture.server);
    const auto chunk = fixture.relay->counter_chunk(0);
    CHECK(get(chunk->allocations[pairs[i]->id % ALLOCATIONS_PER_CHUNK].to_peer_packets) == 20);
  }
}

TEST_CASE("a port that is taken is refused, by another relay too") {
  RelayFixture first(4), second(4);
  LinkOptions link;
  link.ipv4 = "127.0.0.1";
  link.port = ntohs(first.server.v4.sin_port);
  const RelayListener* listener = nullptr;
  CHECK(second.relay->open_listener(link, listener, second.failure) == Status::port_in_use);
  CHECK(first.relay->open_listener(link, listener, first.failure) == Status::port_in_use);
  REQUIRE(first.relay->close_listener(first.listener_id) == Status::ok);
  CHECK(second.relay->open_listener(link, listener, second.failure) == Status::ok);
}

TEST_CASE("lifetimes are enforced") {
  RelayFixture fixture;
  Endpoint client, peer;
  const uint32_t id = fixture.allocate(fixture.options_of(client));
  REQUIRE(fixture.relay->set_permission(id, peer.address, false, RelayFixture::forever()) == Status::ok);
  REQUIRE(fixture.relay->set_channel(id, CHANNEL, peer.address, now_ns() - 1) == Status::ok);
  client.send(fixture.server, channel_data(CHANNEL, bytes_of("x")));
  CHECK(fixture.drops(RelayDrop::no_channel, 1) == 1);
  REQUIRE(fixture.relay->set_expiry(id, now_ns() - 1) == Status::ok);
  client.send(fixture.server, send_indication(peer.address, bytes_of("x")));
  CHECK(fixture.drops(RelayDrop::expired, 1) == 1);
}

TEST_CASE("an own address is reached at relayed ports only") {
  RelayFixture fixture;
  Endpoint client, other_client, service;
  const uint32_t id = fixture.allocate(fixture.options_of(client));
  const uint32_t other = fixture.allocate(fixture.options_of(other_client));
  REQUIRE(fixture.relay->set_permission(id, service.address, true, RelayFixture::forever()) == Status::ok);
  REQUIRE(fixture.relay->set_permission(other, service.address, false, RelayFixture::forever()) == Status::ok);
  client.send(fixture.server, send_indication(service.address, bytes_of("x")));
  CHECK(fixture.drops(RelayDrop::no_permission, 1) == 1);
  // Learn the other's relayed address by sending from it.
  UdpAddress relayed;
  other_client.send(fixture.server, send_indication(service.address, bytes_of("here")));
  CHECK(service.receive(&relayed) == bytes_of("here"));
  client.send(fixture.server, send_indication(relayed, bytes_of("across")));
  CHECK(other_client.receive().size() == 20 + 12 + 4 + 8);
}

TEST_CASE("requests go up, bounded per source, and answers go down") {
  RequestLimits limits;
  limits.source_per_second = 10;
  RelayFixture fixture(2, limits);
  Endpoint client;
  client.send(fixture.server, stun_header(0x0003, 0));
  const auto events = fixture.events();
  REQUIRE(events.size() == 1);
  CHECK(events[0].request);
  CHECK(!events[0].classic);
  CHECK(events[0].from == client.address);
  CHECK(events[0].bytes == stun_header(0x0003, 0));
  REQUIRE(fixture.relay->reply(events[0].listener, events[0].from, events[0].bytes.data(), 20) == Status::ok);
  CHECK(client.receive() == stun_header(0x0003, 0));
  for (int i = 0; i < 200; i++) client.send(fixture.server, stun_header(0x0001, 0));
  CHECK(fixture.drops(RelayDrop::rate_limited, 150) >= 150);
}

TEST_CASE("frames of a stream's client are forwarded, and what comes back goes up padded") {
  RelayFixture fixture;
  Endpoint client, peer;
  AllocationOptions options = fixture.options_of(client);
  options.udp_client = false;
  const uint32_t id = fixture.allocate(options);
  REQUIRE(fixture.relay->set_permission(id, peer.address, false, RelayFixture::forever()) == Status::ok);
  REQUIRE(fixture.relay->set_channel(id, CHANNEL, peer.address, RelayFixture::forever()) == Status::ok);
  Bytes frames = channel_data(CHANNEL, bytes_of("abcde"));
  frames.resize(12);
  const Bytes indication = send_indication(peer.address, bytes_of("second"));
  frames.insert(frames.end(), indication.begin(), indication.end());
  REQUIRE(fixture.relay->send_frames(id, frames.data(), frames.size()) == Status::ok);
  UdpAddress relayed;
  CHECK(peer.receive(&relayed) == bytes_of("abcde"));
  CHECK(peer.receive() == bytes_of("second"));
  peer.send(relayed, bytes_of("reply"));
  const auto events = fixture.events();
  REQUIRE(events.size() == 1);
  CHECK(!events[0].request);
  CHECK(events[0].allocation == id);
  Bytes expected = channel_data(CHANNEL, bytes_of("reply"));
  expected.resize(12);
  CHECK(events[0].bytes == expected);
  // Half a frame ends the walk.
  fixture.relay->send_frames(id, frames.data(), 7);
  CHECK(fixture.drops(RelayDrop::malformed_datagram, 1) == 1);
}

TEST_CASE("a user's bytes per second are kept") {
  RelayFixture fixture;
  Endpoint client, peer;
  AllocationOptions options = fixture.options_of(client);
  options.user_bytes_per_second = 1000;
  const uint32_t id = fixture.allocate(options);
  REQUIRE(fixture.relay->set_permission(id, peer.address, false, RelayFixture::forever()) == Status::ok);
  REQUIRE(fixture.relay->set_channel(id, CHANNEL, peer.address, RelayFixture::forever()) == Status::ok);
  for (int i = 0; i < 300; i++) client.send(fixture.server, channel_data(CHANNEL, Bytes(1000)));
  CHECK(fixture.drops(RelayDrop::user_limit, 150) >= 150);
  CHECK(!peer.receive().empty());
}

TEST_CASE("ids do not return at once and misuse is refused") {
  RelayFixture fixture;
  Endpoint client;
  const AllocationOptions options = fixture.options_of(client);
  const uint32_t id = fixture.allocate(options);
  uint32_t other = 0;
  CHECK(fixture.relay->open_allocation(options, other, fixture.failure) == Status::index_in_use);
  CHECK(fixture.relay->close_listener(fixture.listener_id) == Status::busy);
  REQUIRE(fixture.relay->close_allocation(id) == Status::ok);
  CHECK(fixture.relay->close_allocation(id) == Status::unknown_peer);
  CHECK(fixture.allocate(options) != id);
  CHECK(fixture.relay->set_expiry(id, 1) == Status::unknown_peer);
  CHECK(fixture.relay->set_permission(id, client.address, false, 1) == Status::unknown_peer);
  CHECK(fixture.relay->set_channel(id, CHANNEL, client.address, 1) == Status::unknown_peer);
  CHECK(fixture.relay->send_frames(id, nullptr, 0) == Status::unknown_peer);
  CHECK(fixture.relay->reply(55, client.address, nullptr, 0) == Status::unknown_link);
  CHECK(fixture.relay->close_listener(55) == Status::unknown_link);
}

TEST_CASE("while the kernel drops, the modest get all and the greedy share the rest") {
  FairShare shares;
  uint32_t dropped = 0;
  uint64_t now = FairShare::WINDOW_NS;
  const auto window = [&](uint64_t greedy, uint64_t modest) {
    uint64_t passed[3] = {};
    for (uint64_t i = 0; i < greedy; i += 1000) {
      if (shares.take(1, 1000)) passed[0] += 1000;
      if (shares.take(2, 1000)) passed[1] += 1000;
      if (i < modest && shares.take(3, 1000)) passed[2] += 1000;
    }
    now += FairShare::WINDOW_NS;
    return std::vector<uint64_t>(passed, passed + 3);
  };
  shares.advance(now, [&] { return dropped; });
  CHECK(window(10'000'000, 100'000) == std::vector<uint64_t>{10'000'000, 10'000'000, 100'000});
  dropped = 5;
  shares.advance(now, [&] { return dropped; });
  // Nine tenths of the 20.1 MB that passed: 0.1 for the modest one, half of the rest for each of the others.
  const auto passed = window(30'000'000, 100'000);
  CHECK(passed[2] == 100'000);
  CHECK(passed[0] <= 9'000'000);
  CHECK(passed[0] >= 8'900'000);
  CHECK(passed[0] == passed[1]);
  for (int i = 0; i < 10; i++) {
    shares.advance(now, [&] { return dropped; });
    window(1000, 0);
  }
  CHECK(window(30'000'000, 0)[0] == 30'000'000);
}

TEST_CASE("tables change while traffic flows") {
  RelayFixture fixture;
  Endpoint client, peer;
  const uint32_t id = fixture.allocate(fixture.options_of(client));
  REQUIRE(fixture.relay->set_permission(id, peer.address, false, RelayFixture::forever()) == Status::ok);
  std::atomic<bool> done{false};
  std::thread traffic([&] {
    while (!done) client.send(fixture.server, channel_data(CHANNEL, Bytes(200)));
  });
  for (int i = 0; i < 300; i++) {
    Endpoint other;
    const uint32_t other_id = fixture.allocate(fixture.options_of(other));
    fixture.relay->set_channel(id, CHANNEL, peer.address, i % 2 == 0 ? RelayFixture::forever() : 0);
    fixture.relay->set_permission(id, other.address, false, RelayFixture::forever());
    fixture.relay->close_allocation(other_id);
  }
  // Whatever came through meanwhile, it comes through at the end.
  fixture.relay->set_channel(id, CHANNEL, peer.address, RelayFixture::forever());
  CHECK(!peer.receive().empty());
  done = true;
  traffic.join();
}
