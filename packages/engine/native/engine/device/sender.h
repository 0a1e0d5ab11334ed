// From the host to the peers: reads the TUN, splits, seals and sends. Runs on the send thread alone.
#pragma once

#include <cstdint>

#include "base/buffer.h"
#include "device/send_groups.h"
#include "device/shared.h"
#include "packet/split.h"
#include "tables/staging.h"

namespace asterism {

class Sender {
 public:
  explicit Sender(DeviceState& state);

  /** Does the work at hand, up to a bound; true if there may be more. Nothing stays unsent. */
  bool step();
  /** The interface is gone. */
  bool failed() const { return failed_; }

 private:
  // Reads per step: bounds how long a slow peer's open group waits behind a busy one.
  static constexpr unsigned READS_PER_STEP = 16;
  static constexpr size_t FRAME_OFFSET = 256;
  static constexpr size_t FRAME_BYTES = FRAME_OFFSET + 65536 + 256;

  void run_commands();
  void run(Command& command);
  /** False when the TUN is empty. */
  bool forward_one();
  Peer* destination(const uint8_t* packet, size_t len);
  /** The frame is at frame(), `len` bytes with its VnetHeader. */
  void deliver(Peer& peer, size_t len);
  void send_frame(Peer& peer, Session& session, const PathTable& paths, size_t len);
  bool seal_packets(Peer& peer, Session& session, const PathTable& paths);
  bool seal(Peer& peer, Session& session, const PathTable& paths, uint8_t* packet, size_t len, uint64_t counter);
  void send_duplicate(Peer& peer, const Path& path, bool data);
  void stage(Peer& peer, size_t len);
  void flush_staged(Peer& peer);
  void send_keepalive(Peer& peer);
  Session* usable_session(const Peer& peer) const;
  static const PathTable* usable_paths(const Peer& peer);

  uint8_t* frame() { return memory_.data() + FRAME_OFFSET - sizeof(VnetHeader); }
  uint8_t* packet() { return memory_.data() + FRAME_OFFSET; }

  DeviceState& state_;
  PageBuffer memory_;
  SendGroups groups_;
  Splitter splitter_;
  Staging staging_;
  /** In redundant mode, the sealed message for the second path: sending the first may reuse its room. */
  std::vector<uint8_t> duplicate_;
  bool failed_ = false;
  /** Time at which the step began. */
  uint64_t now_ = 0;
};

}  // namespace asterism
