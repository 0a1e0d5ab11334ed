// Why a packet was dropped. The names are what TypeScript sees; the order is that of the shared page.
#pragma once

#include <cstdint>

namespace asterism {

#define ASTERISM_DROP_REASONS(X)                                  \
  X(no_peer, "no-peer")                       /* inner destination in nobody's allowed IPs */ \
  X(not_ip, "not-ip")                         /* the host sent something that is no IP packet */ \
  X(bad_offload, "bad-offload")               /* vnet header and packet contradict each other */ \
  X(too_large, "too-large")                   /* does not fit any UDP datagram */ \
  X(staging_full, "staging-full")             /* pushed out of a staging queue */ \
  X(staging_dropped, "staging-dropped")       /* staged and told to be dropped */ \
  X(paths_full, "paths-full")                 /* more than all paths of the peer carry together */ \
  X(inbox_full, "inbox-full")                 /* sendInner faster than the engine */ \
  X(no_path, "no-path")                       /* keepalive with no path to send it on */ \
  X(no_session, "no-session")                 /* keepalive with no session to send it in */ \
  X(no_link, "no-link")                       /* the path's link is closed or lacks the family */ \
  X(seal_failed, "seal-failed")               /* libcrypto refused */ \
  X(send_buffer_full, "send-buffer-full")     \
  X(receive_buffer_full, "receive-buffer-full") /* a relay's stream is faster than the engine */ \
  X(send_refused, "send-refused")             /* the kernel refused the datagram (no route, firewall) */ \
  X(path_mtu, "path-mtu")                     /* datagram larger than the path takes */ \
  X(inner_too_large, "inner-too-large")       /* inner packet larger than the path takes; its sender was told */ \
  X(unknown_datagram, "unknown-datagram")     /* neither WireGuard nor STUN */ \
  X(malformed_datagram, "malformed-datagram") \
  X(bad_mac1, "bad-mac1")                     \
  X(rate_limited, "rate-limited")             /* more than is of use: control datagrams, agents' and engines' packets */ \
  X(events_full, "events-full")               /* TypeScript does not keep up */ \
  X(unknown_index, "unknown-index")           /* type 4 for no session of ours */ \
  X(session_expired, "session-expired")       /* REJECT_AFTER_TIME or REJECT_AFTER_MESSAGES */ \
  X(replayed, "replayed")                     \
  X(auth_failed, "auth-failed")               \
  X(inner_malformed, "inner-malformed")       /* authentic, but no IP packet inside */ \
  X(source_not_allowed, "source-not-allowed") /* inner source not in the sender's allowed IPs */ \
  X(interface_down, "interface-down")         /* the host interface is not up */ \
  X(interface_refused, "interface-refused")   /* the host refused the packet */

enum class Drop : uint8_t {
#define ASTERISM_DROP_ENUM(name, text) name,
  ASTERISM_DROP_REASONS(ASTERISM_DROP_ENUM)
#undef ASTERISM_DROP_ENUM
      count
};

constexpr unsigned DROP_REASONS = static_cast<unsigned>(Drop::count);
extern const char* const DROP_REASON_NAMES[DROP_REASONS];

}  // namespace asterism
