// A cable with faults: joins two TAP devices in two network namespaces and impairs what passes.
//
//   linkbox --a NETNS:IFNAME --b NETNS:IFNAME [--seed N]
//
// Per direction (ab, ba): rate, delay, jitter (keeps order), loss (independent or in bursts), reorder (a packet is held
// back beyond the delay), duplicate, corrupt (one flipped bit), and a tail-drop queue in bytes in front of the rate.
// The same seed and the same packets give the same faults.
//
// Standard input takes one command per line, each answered by one line on standard output (`ok …` or `error …`):
//   set ab|ba|both KEY=VALUE…      keys: rate_bps delay_us jitter_us loss loss_burst reorder reorder_us duplicate
//                                        corrupt queue_bytes
//   carrier a|b 0|1                plug or unplug the cable at one end
//   stats                          counters of both directions
// End of input ends the program, so that a link never outlives the lab that made it.
//
// ARP and neighbour discovery are delayed but never lost or damaged: the wide-area link that this stands for has neither.

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr size_t kMaxFrameBytes = 65'536;
constexpr size_t kMaxHeldBytes = 256u << 20;  // bounded: frames in flight per direction; beyond it they are dropped
constexpr int kReadBatch = 64;
constexpr uint64_t kNsPerSecond = 1'000'000'000;

[[noreturn]] void die(const char* what) {
  fprintf(stderr, "linkbox: %s: %s\n", what, strerror(errno));
  exit(1);
}

uint64_t nowNs() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return uint64_t(ts.tv_sec) * kNsPerSecond + uint64_t(ts.tv_nsec);
}

// SplitMix64 (Steele, Lea, Flood 2014): small, seedable, good enough to decide faults.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }

  double unit() { return double(next() >> 11) * 0x1.0p-53; }

  bool chance(double ratio) { return ratio > 0 && unit() < ratio; }

 private:
  uint64_t state_;
};

struct Faults {
  double rateBps = 0;  // 0: as fast as the machine goes
  double delayUs = 0;
  double jitterUs = 0;
  double loss = 0;
  double lossBurst = 1;  // mean number of packets lost in a row
  double reorder = 0;
  double reorderUs = 5'000;
  double duplicate = 0;
  double corrupt = 0;
  double queueBytes = 0;  // 0: 50 ms at the rate

  double* field(const std::string& key) {
    if (key == "rate_bps") return &rateBps;
    if (key == "delay_us") return &delayUs;
    if (key == "jitter_us") return &jitterUs;
    if (key == "loss") return &loss;
    if (key == "loss_burst") return &lossBurst;
    if (key == "reorder") return &reorder;
    if (key == "reorder_us") return &reorderUs;
    if (key == "duplicate") return &duplicate;
    if (key == "corrupt") return &corrupt;
    if (key == "queue_bytes") return &queueBytes;
    return nullptr;
  }

  double effectiveQueueBytes() const {
    if (queueBytes > 0) return queueBytes;
    return std::max(rateBps / 8 * 0.05, 3'000.0);
  }
};

struct Counters {
  uint64_t received = 0, delivered = 0, lost = 0, overflowed = 0, reordered = 0, duplicated = 0, corrupted = 0,
           undeliverable = 0;
};

struct Frame {
  uint64_t dueNs;
  uint64_t serial;  // ties leave in order of arrival
  std::vector<uint8_t> bytes;
};

struct LaterFirst {
  bool operator()(const Frame& a, const Frame& b) const {
    return a.dueNs != b.dueNs ? a.dueNs > b.dueNs : a.serial > b.serial;
  }
};

bool isLinkSignalling(const uint8_t* frame, size_t size) {
  if (size < 14) return false;
  const unsigned type = unsigned(frame[12]) << 8 | frame[13];
  if (type == 0x0806) return true;
  constexpr unsigned kIcmpv6 = 58, kRouterSolicitation = 133, kRedirect = 137;
  return type == 0x86dd && size > 54 && frame[20] == kIcmpv6 && frame[54] >= kRouterSolicitation &&
         frame[54] <= kRedirect;
}

/** One way of the cable: frames enter, and leave at their due time or never. */
class Direction {
 public:
  Direction(uint64_t seed, int outFd) : random_(seed), outFd_(outFd) {}

  Faults faults;
  Counters counters;

  void enter(const uint8_t* bytes, size_t size, uint64_t now) {
    counters.received++;
    const bool signalling = isLinkSignalling(bytes, size);
    if (!signalling && drawLoss()) {
      counters.lost++;
      return;
    }
    uint64_t leavesNs = now;
    if (faults.rateBps > 0) {
      const uint64_t start = std::max(now, lineFreeNs_);
      const double backlogBytes = double(start - now) * faults.rateBps / 8 / double(kNsPerSecond);
      if (backlogBytes + double(size) > std::max(faults.effectiveQueueBytes(), double(size))) {
        counters.overflowed++;
        return;
      }
      lineFreeNs_ = start + uint64_t(double(size) * 8 / faults.rateBps * double(kNsPerSecond));
      leavesNs = lineFreeNs_;
    }
    uint64_t dueNs = leavesNs + uint64_t((faults.delayUs + faults.jitterUs * random_.unit()) * 1'000);
    if (!signalling && random_.chance(faults.reorder)) {
      counters.reordered++;
      dueNs += uint64_t(faults.reorderUs * 1'000);
    } else {
      // Jitter alone keeps the order, as one route does.
      dueNs = lastInOrderNs_ = std::max(dueNs, lastInOrderNs_);
    }
    std::vector<uint8_t> copy = takeBuffer();
    copy.assign(bytes, bytes + size);
    if (!signalling && random_.chance(faults.corrupt)) {
      counters.corrupted++;
      const size_t bit = 14 * 8 + random_.next() % ((size - 14) * 8);
      copy[bit / 8] ^= uint8_t(1u << (bit % 8));
    }
    if (!signalling && random_.chance(faults.duplicate)) {
      counters.duplicated++;
      hold(dueNs, copy);
    }
    hold(dueNs, std::move(copy));
  }

  /** Writes out every frame that is due. */
  void release(uint64_t now) {
    while (!held_.empty() && held_.front().dueNs <= now) {
      std::pop_heap(held_.begin(), held_.end(), LaterFirst{});
      Frame frame = std::move(held_.back());
      held_.pop_back();
      heldBytes_ -= frame.bytes.size();
      // An interface that is down refuses frames; a real cable loses them as silently.
      if (write(outFd_, frame.bytes.data(), frame.bytes.size()) < 0) {
        counters.undeliverable++;
      } else {
        counters.delivered++;
      }
      returnBuffer(std::move(frame.bytes));
    }
  }

  /** UINT64_MAX when nothing waits. */
  uint64_t nextDueNs() const { return held_.empty() ? UINT64_MAX : held_.front().dueNs; }

 private:
  bool drawLoss() {
    if (faults.loss <= 0) return false;
    if (faults.loss >= 1) return true;
    if (faults.lossBurst <= 1) return random_.chance(faults.loss);
    // Gilbert model: the bad state loses everything; its mean length is lossBurst, its share of time is loss.
    const double leaveBad = 1 / faults.lossBurst;
    const double enterBad = faults.loss * leaveBad / (1 - faults.loss);
    inBurst_ = inBurst_ ? !random_.chance(leaveBad) : random_.chance(enterBad);
    return inBurst_;
  }

  void hold(uint64_t dueNs, std::vector<uint8_t> bytes) {
    if (heldBytes_ + bytes.size() > kMaxHeldBytes) {
      counters.overflowed++;
      return;
    }
    heldBytes_ += bytes.size();
    held_.push_back(Frame{dueNs, serial_++, std::move(bytes)});
    std::push_heap(held_.begin(), held_.end(), LaterFirst{});
  }

  std::vector<uint8_t> takeBuffer() {
    if (spare_.empty()) return {};
    std::vector<uint8_t> buffer = std::move(spare_.back());
    spare_.pop_back();
    return buffer;
  }

  void returnBuffer(std::vector<uint8_t> buffer) {
    if (spare_.size() < 1'024) spare_.push_back(std::move(buffer));
  }

  Random random_;
  int outFd_;
  bool inBurst_ = false;
  uint64_t lineFreeNs_ = 0;
  uint64_t lastInOrderNs_ = 0;
  uint64_t serial_ = 0;
  size_t heldBytes_ = 0;
  std::vector<Frame> held_;                 // bounded: kMaxHeldBytes
  std::vector<std::vector<uint8_t>> spare_;  // bounded: 1,024 buffers
};

int openTap(const std::string& place) {
  const size_t colon = place.rfind(':');
  if (colon == std::string::npos) {
    fprintf(stderr, "linkbox: '%s' is not NETNS:IFNAME\n", place.c_str());
    exit(2);
  }
  const std::string netns = "/run/netns/" + place.substr(0, colon);
  const std::string name = place.substr(colon + 1);
  const int nsFd = open(netns.c_str(), O_RDONLY | O_CLOEXEC);
  if (nsFd < 0) die(netns.c_str());
  if (setns(nsFd, CLONE_NEWNET) != 0) die("setns");
  close(nsFd);
  const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) die("/dev/net/tun");
  ifreq request{};
  if (name.empty() || name.size() >= sizeof request.ifr_name) {
    fprintf(stderr, "linkbox: interface name '%s' is empty or too long\n", name.c_str());
    exit(2);
  }
  memcpy(request.ifr_name, name.c_str(), name.size());
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (ioctl(fd, TUNSETIFF, &request) != 0) die("TUNSETIFF");
  return fd;
}

class LinkBox {
 public:
  LinkBox(int tapA, int tapB, uint64_t seed)
      : tapA_(tapA), tapB_(tapB), ab_(seed * 2 + 1, tapB), ba_(seed * 2 + 2, tapA) {}

  void run() {
    bool inputOpen = true;
    while (inputOpen) {
      pollfd fds[3] = {{tapA_, POLLIN, 0}, {tapB_, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
      wait(fds);
      if (fds[0].revents & POLLIN) receive(tapA_, ab_);
      if (fds[1].revents & POLLIN) receive(tapB_, ba_);
      if (fds[2].revents != 0) inputOpen = readCommands();
      const uint64_t now = nowNs();
      ab_.release(now);
      ba_.release(now);
    }
  }

 private:
  void wait(pollfd (&fds)[3]) {
    const uint64_t due = std::min(ab_.nextDueNs(), ba_.nextDueNs());
    timespec timeout{};
    timespec* timeoutPtr = nullptr;
    if (due != UINT64_MAX) {
      const uint64_t now = nowNs();
      const uint64_t waitNs = due > now ? due - now : 0;
      timeout.tv_sec = time_t(waitNs / kNsPerSecond);
      timeout.tv_nsec = long(waitNs % kNsPerSecond);
      timeoutPtr = &timeout;
    }
    if (ppoll(fds, 3, timeoutPtr, nullptr) < 0 && errno != EINTR) die("ppoll");
  }

  void receive(int fd, Direction& direction) {
    const uint64_t now = nowNs();
    for (int i = 0; i < kReadBatch; i++) {
      const ssize_t size = read(fd, frame_, sizeof frame_);
      if (size <= 14) return;
      // The kernel notices a lost carrier late; a pulled cable carries nothing at once.
      if (!pluggedA_ || !pluggedB_) {
        direction.counters.undeliverable++;
        continue;
      }
      direction.enter(frame_, size_t(size), now);
      direction.release(now);
    }
  }

  bool readCommands() {
    char chunk[4096];
    const ssize_t size = read(STDIN_FILENO, chunk, sizeof chunk);
    if (size <= 0) return size < 0 && (errno == EINTR || errno == EAGAIN);
    input_.append(chunk, size_t(size));
    if (input_.size() > 65'536) return false;
    size_t end;
    while ((end = input_.find('\n')) != std::string::npos) {
      const std::string answer = obey(input_.substr(0, end));
      input_.erase(0, end + 1);
      printf("%s\n", answer.c_str());
    }
    fflush(stdout);
    return true;
  }

  std::string obey(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "set") return obeySet(words);
    if (verb == "carrier") return obeyCarrier(words);
    if (verb == "stats") return "ok ab " + describe(ab_.counters) + " ba " + describe(ba_.counters);
    return "error unknown command '" + verb + "'";
  }

  std::string obeySet(std::istringstream& words) {
    std::string which;
    words >> which;
    if (which != "ab" && which != "ba" && which != "both") return "error direction is ab, ba or both";
    Faults ab = ab_.faults, ba = ba_.faults;
    std::string pair;
    while (words >> pair) {
      const size_t equals = pair.find('=');
      if (equals == std::string::npos) return "error expected KEY=VALUE, got '" + pair + "'";
      const std::string key = pair.substr(0, equals);
      char* end = nullptr;
      const double value = strtod(pair.c_str() + equals + 1, &end);
      double* inAb = ab.field(key);
      double* inBa = ba.field(key);
      if (inAb == nullptr) return "error unknown key '" + key + "'";
      if (*end != 0 || !(value >= 0)) return "error '" + pair + "' is not a number of at least 0";
      if (which != "ba") *inAb = value;
      if (which != "ab") *inBa = value;
    }
    ab_.faults = ab;
    ba_.faults = ba;
    return "ok";
  }

  std::string obeyCarrier(std::istringstream& words) {
    std::string end;
    int carrier = -1;
    words >> end >> carrier;
    if ((end != "a" && end != "b") || (carrier != 0 && carrier != 1)) return "error expected carrier a|b 0|1";
    if (ioctl(end == "a" ? tapA_ : tapB_, TUNSETCARRIER, &carrier) != 0) {
      return std::string("error carrier: ") + strerror(errno);
    }
    (end == "a" ? pluggedA_ : pluggedB_) = carrier == 1;
    return "ok";
  }

  static std::string describe(const Counters& c) {
    std::ostringstream text;
    text << "received=" << c.received << " delivered=" << c.delivered << " lost=" << c.lost
         << " overflowed=" << c.overflowed << " reordered=" << c.reordered << " duplicated=" << c.duplicated
         << " corrupted=" << c.corrupted << " undeliverable=" << c.undeliverable;
    return text.str();
  }

  int tapA_, tapB_;
  bool pluggedA_ = true, pluggedB_ = true;
  Direction ab_, ba_;
  std::string input_;  // bounded: 64 KiB, then the program ends
  uint8_t frame_[kMaxFrameBytes];
};

}  // namespace

int main(int argc, char** argv) {
  std::string a, b;
  uint64_t seed = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--a") a = argv[i + 1];
    if (flag == "--b") b = argv[i + 1];
    if (flag == "--seed") seed = strtoull(argv[i + 1], nullptr, 10);
  }
  if (a.empty() || b.empty()) {
    fprintf(stderr, "usage: linkbox --a NETNS:IFNAME --b NETNS:IFNAME [--seed N]\n");
    return 2;
  }
  // Due times are exact to some microseconds only without the default 50 µs slack.
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  const int tapB = openTap(b);
  const int tapA = openTap(a);  // last: the process stays in a's namespace, where a sweep of it finds it
  auto box = std::make_unique<LinkBox>(tapA, tapB, seed);
  printf("ready\n");
  fflush(stdout);
  box->run();
  return 0;
}
