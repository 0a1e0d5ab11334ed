// Sends UDP datagrams at a steady rate: flood ADDRESS PORT KIND PACKETS_PER_SECOND SECONDS [HEX]
//   handshake   initiations with a random mac1        unknown   transport data for random indices
//   fixed       the datagram HEX over and over (a replayed packet, an initiation with a right mac1, …)
#include <arpa/inet.h>
#include <sys/socket.h>
#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr int BATCH = 16;

uint64_t now_ns() {
  timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<uint64_t>(at.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(at.tv_nsec);
}

std::vector<uint8_t> datagram(const std::string& kind, const char* hex) {
  if (kind == "handshake") {
    std::vector<uint8_t> bytes(148);
    bytes[0] = 1;
    return bytes;
  }
  if (kind == "unknown") {
    std::vector<uint8_t> bytes(1452);
    bytes[0] = 4;
    return bytes;
  }
  std::vector<uint8_t> bytes;
  for (size_t i = 0; hex != nullptr && i + 1 < std::strlen(hex); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(std::string(hex + i, 2), nullptr, 16)));
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) return std::fprintf(stderr, "usage: flood ADDRESS PORT KIND PACKETS_PER_SECOND SECONDS [HEX]\n"), 2;
  const std::string kind = argv[3];
  const double rate = std::atof(argv[4]);
  const uint64_t duration = static_cast<uint64_t>(std::atof(argv[5]) * 1e9);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::atoi(argv[2])));
  inet_pton(AF_INET, argv[1], &to.sin_addr);
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  std::vector<std::vector<uint8_t>> packets(BATCH, datagram(kind, argc > 6 ? argv[6] : nullptr));
  std::vector<iovec> vectors(BATCH);
  std::vector<mmsghdr> messages(BATCH);
  for (int i = 0; i < BATCH; i++) {
    vectors[i] = {packets[i].data(), packets[i].size()};
    messages[i].msg_hdr = {&to, sizeof to, &vectors[i], 1, nullptr, 0, 0};
  }
  const uint64_t start = now_ns();
  uint64_t sent = 0;
  uint64_t random = 88172645463325252;
  while (now_ns() - start < duration) {
    if (kind != "fixed") {
      for (auto& packet : packets) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        std::memcpy(packet.data() + 4, &random, 8);
      }
    }
    const int count = sendmmsg(fd, messages.data(), BATCH, 0);
    sent += count > 0 ? static_cast<uint64_t>(count) : 0;
    const uint64_t due = start + static_cast<uint64_t>(static_cast<double>(sent) * 1e9 / rate);
    const uint64_t now = now_ns();
    if (due > now) {
      const timespec pause{0, static_cast<long>(due - now)};
      nanosleep(&pause, nullptr);
    }
  }
  std::printf("%llu\n", static_cast<unsigned long long>(sent));
}
