// Sealed datagrams on their way out, grouped so that the kernel takes each group as one UDP_SEGMENT message.
//
// A group holds datagrams of one peer and path, all of the first one's length but the last. Groups of
// different peers fill side by side; none is closed because another peer's packet came.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <vector>

#include "base/buffer.h"
#include "device/shared.h"

namespace asterism {

class SendGroups {
 public:
  explicit SendGroups(DeviceState& state);

  /**
   * Room for one datagram of `len` bytes to `peer` by `path`, with AEAD headroom before it and 16 spare
   * bytes behind. Ends with `added`, or with nothing to leave the room unused.
   */
  uint8_t* room(Peer& peer, const Path& path, size_t len);
  /** The room has been filled with `len` bytes. `bytes` counts for the peer. `data`: no keepalive. */
  void added(size_t len, size_t bytes, bool data);

  /** Sends everything that is open. */
  void flush();

 private:
  static constexpr unsigned GROUPS = 48;
  static constexpr size_t HEADROOM_BYTES = 128;
  static constexpr size_t GROUP_BYTES = 68 * 1024;
  static constexpr size_t MAX_PAYLOAD_V4 = 65507;
  static constexpr size_t MAX_PAYLOAD_V6 = 65487;

  struct Group {
    uint8_t* data;
    size_t len;
    size_t segment_len;
    unsigned segments;
    bool ended;             // its last datagram was shorter: nothing may follow
    bool data_sent;         // holds more than keepalives
    uint64_t opened;
    size_t counted_bytes;
    unsigned max_segments;
    size_t max_payload;
    Peer* peer;
    Path path;
  };

  struct Oversize {
    PathAddress to;
    uint64_t reported_at = 0;
  };

  unsigned free_group();
  void open(unsigned index, Peer& peer, const Path& path, size_t len);
  bool fits(const Group& group, const Path& path, size_t len) const;
  void send(unsigned index);
  void count(const Group& group);
  bool send_message(const Link& link, int fd, const Group& group, const uint8_t* data, size_t len, size_t segment_len,
                    int& error);
  void send_singly(const Link& link, int fd, const Group& group);
  void report_oversize(const Link& link, const Group& group);

  DeviceState& state_;
  PageBuffer memory_;
  std::array<Group, GROUPS> groups_{};
  unsigned open_count_ = 0;
  uint64_t clock_ = 0;
  unsigned room_group_ = 0;
  std::array<Oversize, 16> oversize_{};
  unsigned oversize_next_ = 0;
};

}  // namespace asterism
