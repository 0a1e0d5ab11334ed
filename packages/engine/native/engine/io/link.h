// One local uplink: a UDP socket per family, both on one port. Or a stream to a relay, which is another's to carry.
#pragma once

#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "base/status.h"
#include "base/unique_fd.h"
#include "tables/path.h"

namespace asterism {

struct LinkOptions {
  uint16_t port = 0;
  /** Numeric local address, empty for no socket of the family. */
  std::string ipv4;
  std::string ipv6;
  std::string bind_interface;
  uint32_t mark = 0;
  /** Joins the sockets that another link shares the port with (`share_port`): the kernel divides senders among them. */
  bool shared_port = false;
};

class Link {
 public:
  Status open(const LinkOptions& options, int& error, const char*& what);
  /** From now on links of this user with `shared_port` may open on the same port; until then it was this one's alone. */
  bool share_port();
  /**
   * A stream to the relay at `remote`. What is to be sent goes up as events; what comes is put in by `deliver` and read
   * from `fd(false)` like datagrams.
   */
  Status open_stream(const UdpAddress& remote, int& error, const char*& what);

  bool is_stream() const { return static_cast<bool>(inlet_); }
  /** Of a stream: the relay. */
  const UdpAddress& stream_remote() const { return stream_remote_; }
  /** Of a stream: frames for the receive thread, in order; returns how many found room. */
  unsigned deliver(const iovec* frames, unsigned count) const;

  /** Socket of the family, -1 if the link has none. */
  int fd(bool v6) const { return v6 ? v6_.get() : v4_.get(); }
  uint16_t port() const { return port_; }
  bool gro() const { return gro_; }
  /** Whether messages come with the time at which the host got them. Receive thread. */
  void set_stamps(bool v6, bool on) {
    if (stamps_[v6] != on) switch_stamps(v6, on);
  }

  /** Segments per UDP_SEGMENT datagram that the kernel takes; 1 means no segmentation offload. */
  unsigned max_segments() const { return max_segments_.load(std::memory_order_relaxed); }
  void limit_segments(unsigned segments) { max_segments_.store(segments, std::memory_order_relaxed); }

  /** Largest UDP payload that the kernel sends to `remote` in one piece just now, 0 if it doesn't say. */
  uint32_t path_mtu(const UdpAddress& remote) const;
  /**
   * Datagrams leave so that they may be fragmented on the way, as WireGuard's do, except while this is on: then in one
   * piece or not at all, whatever ICMP has said about the way. Control thread; what other threads send meanwhile is
   * sent in one piece, too.
   */
  static void set_dont_fragment(int fd, bool v6, bool on);
  /** Adds the scope that a link-local destination needs. */
  void complete_scope(UdpAddress& remote) const;

  LinkId id = 0;

 private:
  Status open_pair(const LinkOptions& options, uint16_t port, int& error, const char*& what);
  bool open_socket(UniqueFd& fd, int family, const LinkOptions& options, uint16_t port, const char*& what);
  void switch_stamps(bool v6, bool on);
  bool configure(int fd, const LinkOptions& options, const char*& what) const;

  UniqueFd v4_;
  UniqueFd v6_;
  /** Of a stream: what is written here is read from v4_. */
  UniqueFd inlet_;
  UdpAddress stream_remote_;
  uint16_t port_ = 0;
  uint32_t interface_index_ = 0;
  std::string bind_interface_;
  uint32_t mark_ = 0;
  bool gro_ = false;
  std::array<bool, 2> stamps_{};
  std::atomic<unsigned> max_segments_{1};
};

}  // namespace asterism
