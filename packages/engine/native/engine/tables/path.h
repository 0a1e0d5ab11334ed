// Ways to reach a peer.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <vector>

#include "tables/counters.h"

namespace asterism {

using LinkId = uint32_t;

/** A remote UDP address of either family. */
struct UdpAddress {
  union {
    sockaddr_in v4;
    sockaddr_in6 v6;
  };

  UdpAddress() { std::memset(static_cast<void*>(this), 0, sizeof *this); }
  bool is_v6() const { return v4.sin_family == AF_INET6; }
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(this); }
  sockaddr* data() { return reinterpret_cast<sockaddr*>(this); }
  socklen_t len() const { return is_v6() ? sizeof v6 : sizeof v4; }

  bool operator==(const UdpAddress& other) const {
    if (v4.sin_family != other.v4.sin_family || v4.sin_port != other.v4.sin_port) return false;
    if (!is_v6()) return v4.sin_addr.s_addr == other.v4.sin_addr.s_addr;
    return std::memcmp(&v6.sin6_addr, &other.v6.sin6_addr, 16) == 0;
  }
};

struct PathAddress {
  LinkId link = 0;
  /** TURN channel, 0 for none. */
  uint16_t channel = 0;
  UdpAddress remote;

  bool operator==(const PathAddress& other) const {
    return link == other.link && channel == other.channel && remote == other.remote;
  }
};

/** How a peer's paths are used; see `PathMode` in contract.ts. */
enum class PathMode : uint8_t { best = 0, redundant = 1, aggregate = 2, automatic = 3 };

struct Path {
  PathAddress to;
  double weight = 0;
  /** More is not sent when packets are spread; 0 for no limit. */
  double cap_bytes_per_second = 0;
  uint32_t mtu_bytes = 0;
  bool relayed = false;
  /** Index of the counters in the peer's block. */
  uint8_t slot = 0;
};

/** A peer's paths; immutable once published. */
struct PathTable {
  static constexpr unsigned NONE = MAX_PATHS;

  std::vector<Path> paths;  // bounded: MAX_PATHS
  /** Differs from every other table of the device. */
  uint64_t version = 0;
  PathMode mode = PathMode::best;
  /** Where data goes: the first, and in redundant mode also the second. */
  unsigned first = NONE;
  unsigned second = NONE;
  /** Largest inner packet that passes there in one piece; no limit while the paths' MTUs are unknown. */
  size_t inner_limit = SIZE_MAX;

  /** Packets are spread over the paths by what each can carry. */
  bool spread() const { return mode >= PathMode::aggregate && paths.size() > 1; }

  const Path* find(const PathAddress& address) const {
    for (const Path& path : paths) {
      if (path.to == address) return &path;
    }
    return nullptr;
  }
};

}  // namespace asterism
