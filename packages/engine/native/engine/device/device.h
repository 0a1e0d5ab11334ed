// One engine device: a TUN interface, UDP links, peers and sessions, and the threads that forward.
//
// All methods are for one control thread. None blocks on the data threads except `close`, which joins them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "device/mailbox.h"
#include "io/link.h"
#include "tables/allowed_ips.h"
#include "tables/counters.h"
#include "tables/path.h"
#include "tables/peer.h"

namespace asterism {

constexpr unsigned AUTO_WORKERS = ~0u;

struct DeviceOptions {
  std::string interface_name;
  uint32_t mtu_bytes = 1420;
  uint8_t public_key[32]{};
  uint16_t ping_identifier = 0;
  /** 0 chooses by the number of cores. */
  unsigned threads = 0;
  /** Threads that help to seal and open; AUTO_WORKERS for as many as the cores allow. */
  unsigned workers = AUTO_WORKERS;
};

/** What went wrong, where a Status alone does not say it. */
struct Failure {
  int error = 0;
  const char* what = "";
};

struct Offloads {
  bool tso, uso, udp_gso, udp_gro;
};

struct SessionOptions {
  uint32_t local_index = 0;
  uint32_t remote_index = 0;
  const uint8_t* send_key = nullptr;
  const uint8_t* receive_key = nullptr;
  Aead aead = Aead::chacha20_poly1305;
  bool initiator = false;
  uint64_t expires_at_ns = 0;
};

struct PathSpec {
  PathAddress to;
  bool relayed = false;
  double weight = 0;
  uint32_t mtu_bytes = 0;
  double cap_bytes_per_second = 0;
};

class Device {
 public:
  /** `wake` is called from data threads when events wait; it must not block. */
  static Status open(const DeviceOptions& options, std::function<void()> wake, std::unique_ptr<Device>& device,
                     Failure& failure);
  ~Device();

  /** Stops the threads and gives everything back. Later calls of any method return Status::closed. */
  void close();

  const std::string& interface_name() const;
  uint32_t interface_index() const;
  Offloads offloads() const;

  Status open_link(const LinkOptions& options, const Link*& link, Failure& failure);
  /** A stream to the relay at `remote`: frames for it come as events, and go in by `receive_frames`. */
  Status open_stream_link(const UdpAddress& remote, LinkId& id, Failure& failure);
  Status close_link(LinkId id);
  /** Bytes of a stream, in order, cut anywhere. `invalid_argument`: no frame can begin there; close the stream. */
  Status receive_frames(LinkId id, const uint8_t* bytes, size_t len);

  Status add_peer(PeerId& id);
  Status remove_peer(PeerId id);
  Status set_allowed_ips(PeerId id, const std::vector<Prefix>& prefixes);
  /** `slots` receives the index of each path's counters in the peer's block. */
  Status set_paths(PeerId id, const std::vector<PathSpec>& specs, PathMode mode, std::vector<uint8_t>& slots);
  Status install_session(PeerId id, const SessionOptions& options);
  Status remove_session(PeerId id, uint32_t local_index);
  Status drop_staged(PeerId id);

  Status send(const PathAddress& to, const uint8_t* bytes, size_t len, bool dont_fragment = false);
  Status send_keepalive(PeerId id);
  Status send_inner(PeerId id, const uint8_t* packet, size_t len);

  /** Events since the last call, without those of peers and links that are gone. */
  std::vector<Event> drain_events();

  std::shared_ptr<DeviceCounters> counters() const;
  /** Null if no such chunk exists. */
  std::shared_ptr<PeerCounterChunk> counter_chunk(unsigned index) const;

 private:
  struct Impl;
  explicit Device(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/** False if `text` is no numeric IPv4 or IPv6 address. */
bool parse_udp_address(const char* text, uint16_t port, UdpAddress& address);
/** False if `text` is no prefix like 10.0.0.0/8 or fd00::/64. */
bool parse_prefix(const char* text, Prefix& prefix);

}  // namespace asterism
