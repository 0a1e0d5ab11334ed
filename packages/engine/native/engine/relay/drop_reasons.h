// Why the relay dropped a datagram. The names are what TypeScript sees; the order is that of the shared page.
#pragma once

#include <atomic>
#include <cstdint>

namespace asterism {

#define ASTERISM_RELAY_DROPS(X)                                                         \
  X(unknown_datagram, "unknown-datagram")   /* neither STUN nor ChannelData */          \
  X(malformed_datagram, "malformed-datagram")                                           \
  X(no_allocation, "no-allocation")         /* data from a client without allocation */ \
  X(expired, "expired")                     /* the allocation's lifetime is over */     \
  X(no_channel, "no-channel")               /* number not bound, or binding expired */  \
  X(no_permission, "no-permission")         /* no permission for the peer, or expired */ \
  X(no_family, "no-family")                 /* the allocation has no address of the peer's family */ \
  X(rate_limited, "rate-limited")           /* too many requests of one source */       \
  X(overloaded, "overloaded")               /* too many requests of strangers together */ \
  X(user_limit, "user-limit")               /* above the user's bytes per second */     \
  X(unfair_share, "unfair-share")           /* above the fair share while the relay is overloaded */ \
  X(queue_full, "queue-full")               /* TypeScript or a stream's reader does not keep up */ \
  X(too_large, "too-large")                 /* does not fit a datagram once wrapped */  \
  X(send_buffer_full, "send-buffer-full")                                               \
  X(send_refused, "send-refused")           /* the kernel refused (no route, firewall) */ \
  X(path_mtu, "path-mtu")                   /* don't-fragment, and larger than the path takes */

enum class RelayDrop : uint8_t {
#define ASTERISM_DROP_ENUM(name, text) name,
  ASTERISM_RELAY_DROPS(ASTERISM_DROP_ENUM)
#undef ASTERISM_DROP_ENUM
      count
};

constexpr unsigned RELAY_DROP_REASONS = static_cast<unsigned>(RelayDrop::count);
extern const char* const RELAY_DROP_NAMES[RELAY_DROP_REASONS];

struct alignas(64) RelayDrops {
  std::atomic<uint64_t> counts[RELAY_DROP_REASONS];

  /** Any thread. */
  void add(RelayDrop reason, uint64_t packets = 1) {
    counts[static_cast<unsigned>(reason)].fetch_add(packets, std::memory_order_relaxed);
  }
};

}  // namespace asterism
