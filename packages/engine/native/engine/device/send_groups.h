// Sealed datagrams on their way out, grouped so that the kernel takes each group as one UDP_SEGMENT message.
//
// A group holds datagrams of one peer and path, all of the first one's length but the last. Groups of
// different peers fill side by side; none is closed because another peer's packet came.
//
// Datagrams may be sealed later, by other threads: a group leaves when its last one is, and groups leave in the
// order in which they were closed. What other threads seal lies in pieces with a gap before them, because sealing
// borrows the bytes in front.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <vector>

#include "base/buffer.h"
#include "device/shared.h"
#include "device/workers.h"

namespace asterism {

class SendGroups {
 public:
  /** `line`: where the tasks that seal for this thread wait, null if there are none. */
  SendGroups(DeviceState& state, TaskLine* line);

  /** What is added from here on is sealed in one go, apart from what was added before. */
  void begin_piece() { piece_++; }

  /**
   * Room for one datagram of `len` bytes to `peer` by `path`, with AEAD headroom before it and 16 spare
   * bytes behind. Ends with `added`, or with nothing to leave the room unused.
   */
  uint8_t* room(Peer& peer, const Path& path, size_t len);
  /** The room has been filled with `len` bytes. `bytes` counts for the peer. `data`: no keepalive. */
  void added(size_t len, size_t bytes, bool data) { note_added(len, bytes, data); }
  /** The room will be filled by another thread, which calls `sealed` with the number returned here. */
  unsigned added_unsealed(size_t len, size_t bytes);
  /** Any thread. */
  void sealed(unsigned group) { groups_[group].unsealed.fetch_sub(1, std::memory_order_release); }

  /** Sends everything that is open. */
  void flush();

  /** True if `count` datagrams for the path, added as one piece, find groups without waiting for any. */
  bool has_room_for_piece(const Path& path, size_t count, size_t datagram_len) const;

 private:
  static constexpr unsigned GROUPS = 48;
  static constexpr unsigned MAX_PIECES = 16;
  static constexpr size_t HEADROOM_BYTES = 128;
  static constexpr size_t GROUP_BYTES = 68 * 1024;
  static constexpr size_t MAX_PAYLOAD_V4 = 65507;
  static constexpr size_t MAX_PAYLOAD_V6 = 65487;

  enum class GroupState : uint8_t { free, open, closed };

  struct Group {
    GroupState state = GroupState::free;
    bool ended;             // its last datagram was shorter: nothing may follow
    bool data_sent;         // holds more than keepalives
    uint8_t* data;
    std::array<iovec, MAX_PIECES> pieces;
    unsigned piece_count;
    unsigned last_piece;    // piece_ when the last datagram was added
    size_t len;
    size_t segment_len;
    unsigned segments;
    uint64_t opened;
    size_t counted_bytes;
    unsigned max_segments;
    size_t max_payload;
    Peer* peer;
    Path path;
    std::atomic<unsigned> unsealed{0};
  };

  struct Oversize {
    PathAddress to;
    uint64_t reported_at = 0;
  };

  unsigned free_group();
  void open(unsigned index, Peer& peer, const Path& path, size_t len);
  bool fits(const Group& group, const Path& path, size_t len) const;
  bool needs_gap(const Group& group) const;
  void note_added(size_t len, size_t bytes, bool data);
  void close(unsigned index);
  void send_closed();
  void send(Group& group);
  void send_up(const Group& group);
  void note_times(const Group& group);
  void count(const Group& group);
  bool send_message(int fd, const Group& group, const iovec* pieces, unsigned piece_count, size_t len, int& error) const;
  void send_singly(int fd, const Group& group);
  void report_oversize(const Link& link, const Group& group);

  DeviceState& state_;
  TaskLine* line_;
  PageBuffer memory_;
  std::array<Group, GROUPS> groups_{};
  unsigned open_count_ = 0;
  // Groups on their way out, oldest first.
  std::array<uint8_t, GROUPS> closed_{};
  unsigned closed_first_ = 0;
  unsigned closed_count_ = 0;
  unsigned piece_ = 0;
  uint64_t clock_ = 0;
  unsigned room_group_ = 0;
  std::array<Oversize, 16> oversize_{};
  unsigned oversize_next_ = 0;
};

}  // namespace asterism
