// Traffic through a TURN relay: clients in one network namespace, peers in another, counted where it arrives.
//
//   relayload --client-ns NETNS --peer-ns NETNS --relay ADDRESS:PORT --peer ADDRESS --clients N
//             --client-addresses A[,B…] [--tcp] [--threads N]
//
// Each client has a socket connected to the relay and a peer socket of its own. Whoever drives this program speaks TURN:
// it hands over requests and gets the answers. One command per line on standard input:
//   send I HEX                     bytes of client I to the relay
//   from I HEX                     (output) bytes from the relay to client I, while nothing runs
//   relayed I ADDRESS PORT         the relayed address of client I: peer I talks to it alone
//   run WAY PAYLOAD BATCH HOW WINDOW MS
//     WAY     up: client I in channel 0x4000 to peer I; down: peer I to client I; across: client I in channel 0x4001
//             to client I^1, relayed twice
//     BATCH   datagrams of PAYLOAD bytes per system call; HOW gso: as one segmented message, single: one by one
//     WINDOW  datagrams of one client that may be on the way; 0: any number
//   answered by `done sent=N received=N ns=N arrived=N`: counted from a fifth of MS on; arrived: all, late ones too.
// It prints `ready PORT…`, the peers' ports, when it has opened everything. End of input ends it.

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr uint64_t kNsPerMs = 1'000'000;
constexpr size_t kChannelHeaderBytes = 4;
constexpr size_t kSequenceBytes = 8;
constexpr size_t kMaxMessageBytes = 65'000;
constexpr unsigned kMaxBatch = 64;
constexpr unsigned kReceiveBatch = 64;
constexpr int kSocketBufferBytes = 8 << 20;
constexpr uint16_t kPeerChannel = 0x4000;
constexpr uint16_t kClientChannel = 0x4001;
// What has not arrived by then, while nothing arrives, is lost.
constexpr uint64_t kLostNs = 20 * kNsPerMs;
constexpr uint64_t kQuietNs = 10 * kNsPerMs;
constexpr uint64_t kMaxSettleNs = 1'000 * kNsPerMs;

[[noreturn]] void die(const char* what) {
  fprintf(stderr, "relayload: %s: %s\n", what, strerror(errno));
  exit(1);
}

uint64_t nowNs() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return uint64_t(ts.tv_sec) * 1'000'000'000 + uint64_t(ts.tv_nsec);
}

sockaddr_in addressOf(const std::string& address, uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  if (inet_pton(AF_INET, address.c_str(), &result.sin_addr) != 1) {
    fprintf(stderr, "relayload: '%s' is no IPv4 address\n", address.c_str());
    exit(2);
  }
  return result;
}

const sockaddr* generic(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }

void enterNamespace(const std::string& name) {
  const std::string path = "/run/netns/" + name;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) die(path.c_str());
  if (setns(fd, CLONE_NEWNET) != 0) die("setns");
  close(fd);
}

int openSocket(int type, const std::string& local) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBufferBytes, sizeof kSocketBufferBytes);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBufferBytes, sizeof kSocketBufferBytes);
  const int on = 1;
  if (type == SOCK_DGRAM) setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
  if (type == SOCK_STREAM) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const sockaddr_in address = addressOf(local, 0);
  if (bind(fd, generic(address), sizeof address) != 0) die("bind");
  return fd;
}

uint16_t portOf(int fd) {
  sockaddr_in address{};
  socklen_t len = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &len);
  return ntohs(address.sin_port);
}

struct Options {
  std::string clientNs, peerNs, relay, peer;
  std::vector<std::string> clientAddresses;
  unsigned clients = 0;
  unsigned threads = 1;
  bool tcp = false;
};

struct Run {
  std::string way, how;
  size_t payload = 0;
  unsigned batch = 0;
  uint64_t window = 0;
  uint64_t durationNs = 0;
};

/** One client's traffic one way: from a source socket through the relay to a sink socket. */
struct Flow {
  int source = -1;
  int sink = -1;
  /** 0: none at this end. */
  uint16_t sendChannel = 0;
  bool arrivesInChannel = false;
  uint64_t sent = 0;
  uint64_t received = 0;
  /** Sequence number behind the newest that has arrived. */
  uint64_t arrived = 0;
  uint64_t lastProgressNs = 0;
  /** Only of a stream: what its socket has not taken. */
  std::vector<uint8_t>* unsent = nullptr;
};

struct Totals {
  uint64_t sent = 0, received = 0;
};

class Worker {
 public:
  Worker(const Run& run, std::vector<Flow> flows)
      : run_(run), flows_(std::move(flows)), buffers_(kMaxBatch * frameBytes(), 0x5A), sinkBytes_(kReceiveBatch * 16) {}

  void loop() {
    const uint64_t start = nowNs();
    const uint64_t end = start + run_.durationNs;
    const uint64_t countFrom = start + run_.durationNs / 5;
    Totals before;
    uint64_t now = start;
    uint64_t countedFrom = 0;
    for (; now < end; now = nowNs()) {
      if (countedFrom == 0 && now >= countFrom) {
        before = totals();
        countedFrom = now;
      }
      bool busy = false;
      for (Flow& flow : flows_) busy |= fill(flow, now);
      for (Flow& flow : flows_) busy |= drain(flow, now);
      if (!busy) waitForArrival();
    }
    const Totals after = totals();
    result = {after.sent - before.sent, after.received - before.received};
    ns = now - countedFrom;
    settle(now);
    arrived = totals().received;
  }

  uint64_t arrived = 0;
  Totals result;
  uint64_t ns = 1;

 private:
  size_t frameBytes() const { return kChannelHeaderBytes + run_.payload; }

  Totals totals() const {
    Totals sum;
    for (const Flow& flow : flows_) {
      sum.sent += flow.sent;
      sum.received += flow.received;
    }
    return sum;
  }

  /** Until nothing is on the way: what is measured next must not pay for it. */
  void settle(uint64_t ended) {
    uint64_t progress = ended;
    for (uint64_t now = ended; now - progress < kQuietNs && now - ended < kMaxSettleNs; now = nowNs()) {
      bool busy = false;
      for (Flow& flow : flows_) {
        if (flow.unsent != nullptr && !flow.unsent->empty()) busy |= sendUnsent(flow);
        busy |= drain(flow, now);
      }
      if (busy) progress = now;
      else waitForArrival();
    }
  }

  bool fill(Flow& flow, uint64_t now) {
    if (flow.sent > flow.arrived && now - flow.lastProgressNs > kLostNs) flow.arrived = flow.sent;
    const uint64_t onTheWay = flow.sent - std::min(flow.arrived, flow.sent);
    if (run_.window != 0 && onTheWay + run_.batch > run_.window) return false;
    if (onTheWay == 0) flow.lastProgressNs = now;
    return flow.unsent != nullptr ? sendStream(flow) : sendDatagrams(flow);
  }

  size_t writeBatch(const Flow& flow) {
    const size_t header = flow.sendChannel == 0 ? 0 : kChannelHeaderBytes;
    const size_t each = header + run_.payload;
    uint8_t* at = buffers_.data();
    for (unsigned i = 0; i < run_.batch; i++, at += each) {
      if (header != 0) {
        const uint16_t fields[] = {htons(flow.sendChannel), htons(uint16_t(run_.payload))};
        memcpy(at, fields, sizeof fields);
      }
      const uint64_t sequence = flow.sent + i;
      memcpy(at + header, &sequence, sizeof sequence);
    }
    return each;
  }

  bool sendDatagrams(Flow& flow) {
    const size_t each = writeBatch(flow);
    if (run_.how == "gso") {
      iovec vector{buffers_.data(), each * run_.batch};
      alignas(cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = {};
      msghdr message{};
      message.msg_iov = &vector;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* segment = CMSG_FIRSTHDR(&message);
      segment->cmsg_level = IPPROTO_UDP;
      segment->cmsg_type = UDP_SEGMENT;
      segment->cmsg_len = CMSG_LEN(sizeof(uint16_t));
      const uint16_t size = uint16_t(each);
      memcpy(CMSG_DATA(segment), &size, sizeof size);
      if (sendmsg(flow.source, &message, MSG_DONTWAIT) < 0) return refused();
      flow.sent += run_.batch;
      return true;
    }
    iovec vectors[kMaxBatch];
    mmsghdr messages[kMaxBatch] = {};
    for (unsigned i = 0; i < run_.batch; i++) {
      vectors[i] = {buffers_.data() + i * each, each};
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int sent = sendmmsg(flow.source, messages, run_.batch, MSG_DONTWAIT);
    if (sent < 0) return refused();
    flow.sent += unsigned(sent);
    return true;
  }

  /** ECONNREFUSED tells of an ICMP error to an earlier datagram. */
  static bool refused() {
    if (errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED && errno != EINTR) die("send");
    return false;
  }

  bool sendStream(Flow& flow) {
    if (flow.unsent->empty()) {
      const size_t each = writeBatch(flow);
      flow.unsent->assign(buffers_.data(), buffers_.data() + each * run_.batch);
      flow.sent += run_.batch;
    }
    return sendUnsent(flow);
  }

  static bool sendUnsent(Flow& flow) {
    std::vector<uint8_t>& unsent = *flow.unsent;
    const ssize_t sent = send(flow.source, unsent.data(), unsent.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) return refused();
    unsent.erase(unsent.begin(), unsent.begin() + sent);
    return sent > 0;
  }

  /** Payloads are not fetched: the first bytes and the length of each message are enough. */
  bool drain(Flow& flow, uint64_t now) {
    iovec vectors[kReceiveBatch];
    mmsghdr messages[kReceiveBatch] = {};
    union Control {
      cmsghdr header;
      char bytes[CMSG_SPACE(sizeof(int))];
    } controls[kReceiveBatch];
    for (unsigned i = 0; i < kReceiveBatch; i++) {
      vectors[i] = {sinkBytes_.data() + 16 * i, 16};
      msghdr& message = messages[i].msg_hdr;
      message.msg_iov = &vectors[i];
      message.msg_iovlen = 1;
      message.msg_control = &controls[i];
      message.msg_controllen = sizeof controls[i];
    }
    const int got = recvmmsg(flow.sink, messages, kReceiveBatch, MSG_DONTWAIT | MSG_TRUNC, nullptr);
    for (int i = 0; i < got; i++) count(flow, messages[i], sinkBytes_.data() + 16 * i);
    if (got > 0) flow.lastProgressNs = now;
    return got > 0;
  }

  void count(Flow& flow, mmsghdr& received, const uint8_t* bytes) {
    const size_t header = flow.arrivesInChannel ? kChannelHeaderBytes : 0;
    const size_t each = header + run_.payload;
    size_t segment = received.msg_len;
    for (cmsghdr* at = CMSG_FIRSTHDR(&received.msg_hdr); at != nullptr; at = CMSG_NXTHDR(&received.msg_hdr, at)) {
      if (at->cmsg_level != IPPROTO_UDP || at->cmsg_type != UDP_GRO) continue;
      int size = 0;
      memcpy(&size, CMSG_DATA(at), sizeof size);
      segment = size_t(size);
    }
    // Answers to refreshes, and what is left of an earlier run with another size.
    if (segment != each || received.msg_len % each != 0) return;
    const uint64_t datagrams = received.msg_len / each;
    uint64_t sequence = 0;
    memcpy(&sequence, bytes + header, sizeof sequence);
    flow.received += datagrams;
    flow.arrived = std::max(flow.arrived, sequence + datagrams);
  }

  void waitForArrival() {
    std::vector<pollfd> waiting;
    for (const Flow& flow : flows_) waiting.push_back({flow.sink, POLLIN, 0});
    poll(waiting.data(), waiting.size(), 1);
  }

  const Run& run_;
  std::vector<Flow> flows_;
  std::vector<uint8_t> buffers_;
  std::vector<uint8_t> sinkBytes_;
};

class Load {
 public:
  explicit Load(const Options& options) : options_(options), unsent_(options.clients) {
    const rlimit files{65'536, 65'536};
    setrlimit(RLIMIT_NOFILE, &files);
    openPeers();
    openClients();
    printf("ready");
    for (const int peer : peers_) printf(" %u", portOf(peer));
    printf("\n");
  }

  void loop() {
    const int poller = epoll_create1(EPOLL_CLOEXEC);
    watch(poller, STDIN_FILENO, UINT32_MAX);
    for (uint32_t i = 0; i < clients_.size(); i++) watch(poller, clients_[i], i);
    for (;;) {
      fflush(stdout);
      epoll_event events[64];
      const int count = epoll_wait(poller, events, 64, -1);
      for (int i = 0; i < count; i++) {
        if (events[i].data.u32 != UINT32_MAX) {
          passOn(poller, events[i].data.u32);
        } else if (!readCommands()) {
          return;
        }
      }
    }
  }

 private:
  static void watch(int poller, int fd, uint32_t tag) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = tag;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  }

  void openPeers() {
    enterNamespace(options_.peerNs);
    for (unsigned i = 0; i < options_.clients; i++) peers_.push_back(openSocket(SOCK_DGRAM, options_.peer));
  }

  void openClients() {
    enterNamespace(options_.clientNs);
    const size_t colon = options_.relay.rfind(':');
    const sockaddr_in relay =
        addressOf(options_.relay.substr(0, colon), uint16_t(atoi(options_.relay.substr(colon + 1).c_str())));
    for (unsigned i = 0; i < options_.clients; i++) {
      const std::string& local = options_.clientAddresses[i % options_.clientAddresses.size()];
      const int fd = openSocket(options_.tcp ? SOCK_STREAM : SOCK_DGRAM, local);
      if (connect(fd, generic(relay), sizeof relay) != 0) die("connect to the relay");
      clients_.push_back(fd);
    }
  }

  void passOn(int poller, uint32_t client) {
    uint8_t bytes[65'536];
    const ssize_t got = recv(clients_[client], bytes, sizeof bytes, MSG_DONTWAIT);
    if (got <= 0) {
      // A stream at its end stays readable.
      if (options_.tcp && (got == 0 || errno != EAGAIN)) epoll_ctl(poller, EPOLL_CTL_DEL, clients_[client], nullptr);
      return;
    }
    // Data that a run has left behind.
    if (!options_.tcp && (bytes[0] & 0xC0) == 0x40) return;
    printf("from %u ", client);
    for (ssize_t i = 0; i < got; i++) printf("%02x", bytes[i]);
    printf("\n");
  }

  bool readCommands() {
    char bytes[65'536];
    const ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
    if (got <= 0) return false;
    input_.append(bytes, size_t(got));
    size_t from = 0;
    for (size_t end; (end = input_.find('\n', from)) != std::string::npos; from = end + 1) {
      execute(input_.substr(from, end - from));
    }
    input_.erase(0, from);
    return true;
  }

  void execute(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "run") return run(words);
    unsigned client = 0;
    std::string text;
    words >> client >> text;
    if (!words || client >= options_.clients) {
      printf("error '%s'\n", line.c_str());
    } else if (command == "send") {
      std::vector<uint8_t> bytes;
      for (size_t i = 0; i + 1 < text.size(); i += 2) {
        bytes.push_back(uint8_t(strtoul(text.substr(i, 2).c_str(), nullptr, 16)));
      }
      [[maybe_unused]] const ssize_t sent = ::send(clients_[client], bytes.data(), bytes.size(), MSG_NOSIGNAL);
    } else if (command == "relayed") {
      unsigned port = 0;
      words >> port;
      const sockaddr_in relayed = addressOf(text, uint16_t(port));
      if (connect(peers_[client], generic(relayed), sizeof relayed) != 0) die("connect to a relayed address");
    } else {
      printf("error '%s'\n", line.c_str());
    }
  }

  void run(std::istringstream& words) {
    Run run;
    uint64_t ms = 0;
    words >> run.way >> run.payload >> run.batch >> run.how >> run.window >> ms;
    run.durationNs = ms * kNsPerMs;
    const size_t each = kChannelHeaderBytes + run.payload;
    const bool fits = run.batch >= 1 && run.batch <= kMaxBatch && each * run.batch <= kMaxMessageBytes;
    if (!words || run.payload < kSequenceBytes || run.payload % 4 != 0 || !fits || ms == 0) {
      printf("error run\n");
      return;
    }
    std::vector<std::vector<Flow>> shares(std::max(1u, std::min(options_.threads, options_.clients)));
    for (unsigned i = 0; i < options_.clients; i++) shares[i % shares.size()].push_back(flowOf(run, i));
    std::vector<Worker> workers;
    for (auto& share : shares) workers.emplace_back(run, std::move(share));
    std::vector<std::thread> threads;
    for (size_t i = 1; i < workers.size(); i++) threads.emplace_back([&workers, i] { workers[i].loop(); });
    workers[0].loop();
    for (std::thread& thread : threads) thread.join();
    Totals sum;
    uint64_t ns = 0;
    uint64_t arrived = 0;
    for (const Worker& worker : workers) {
      sum.sent += worker.result.sent;
      sum.received += worker.result.received;
      arrived += worker.arrived;
      ns = std::max(ns, worker.ns);
    }
    printf("done sent=%llu received=%llu ns=%llu arrived=%llu\n", static_cast<unsigned long long>(sum.sent),
           static_cast<unsigned long long>(sum.received), static_cast<unsigned long long>(ns),
           static_cast<unsigned long long>(arrived));
  }

  Flow flowOf(const Run& run, unsigned index) {
    Flow flow;
    const bool down = run.way == "down";
    flow.source = down ? peers_[index] : clients_[index];
    flow.sendChannel = down ? 0 : run.way == "up" ? kPeerChannel : kClientChannel;
    flow.sink = down ? clients_[index] : run.way == "up" ? peers_[index] : clients_[(index ^ 1) % options_.clients];
    flow.arrivesInChannel = run.way != "up";
    if (options_.tcp) flow.unsent = &unsent_[index];
    discard(flow.sink);
    return flow;
  }

  static void discard(int fd) {
    uint8_t byte;
    while (recv(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) >= 0) {
    }
  }

  const Options options_;
  std::vector<int> clients_;
  std::vector<int> peers_;
  std::vector<std::vector<uint8_t>> unsent_;
  std::string input_;
};

Options readOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i++) {
    const std::string name = argv[i];
    if (name == "--tcp") {
      options.tcp = true;
      continue;
    }
    const std::string value = i + 1 < argc ? argv[++i] : "";
    if (name == "--client-ns") options.clientNs = value;
    else if (name == "--peer-ns") options.peerNs = value;
    else if (name == "--relay") options.relay = value;
    else if (name == "--peer") options.peer = value;
    else if (name == "--clients") options.clients = unsigned(atoi(value.c_str()));
    else if (name == "--threads") options.threads = unsigned(atoi(value.c_str()));
    else if (name == "--client-addresses") {
      std::istringstream list(value);
      for (std::string address; std::getline(list, address, ',');) options.clientAddresses.push_back(address);
    } else {
      fprintf(stderr, "relayload: unknown option '%s'\n", name.c_str());
      exit(2);
    }
  }
  if (options.clients == 0 || options.clientAddresses.empty()) {
    fprintf(stderr, "relayload: --clients and --client-addresses are needed\n");
    exit(2);
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Load load(readOptions(argc, argv));
  load.loop();
}
