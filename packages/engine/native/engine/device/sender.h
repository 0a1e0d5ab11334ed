// From the host to the peers: reads the TUN, splits, seals and sends. Runs on the send thread alone.
#pragma once

#include <cstdint>

#include <memory>
#include <vector>

#include "device/seal_task.h"
#include "device/send_groups.h"
#include "device/shared.h"
#include "device/workers.h"
#include "tables/staging.h"

namespace asterism {

class Sender {
 public:
  /** Has no workers if their count is 0. */
  Sender(DeviceState& state, Workers& workers);

  /** Does the work at hand, up to a bound; true if there may be more. Nothing stays unsent. */
  bool step();
  /** When `step` has something to do by itself; UINT64_MAX for never. */
  uint64_t deadline() const { return deadline_; }
  /** The interface is gone. */
  bool failed() const { return failed_; }

 private:
  // Reads per step: bounds how long a slow peer's open group waits behind a busy one.
  static constexpr unsigned READS_PER_STEP = 16;
  /** Frames of fewer packets are sealed at once: handing them over costs more. */
  static constexpr size_t MIN_TASK_PACKETS = 8;
  static constexpr size_t SCRATCH_OFFSET = 256;

  void run_commands();
  void run(Command& command);
  /** False when the TUN is empty. */
  bool forward_one();
  Peer* destination(const uint8_t* packet, size_t len);
  /** The frame is at frame(), `len` bytes with its VnetHeader. */
  void deliver(Peer& peer, size_t len);
  void send_frame(Peer& peer, Session& session, const PathTable& paths, size_t len);
  void send_packets(Peer& peer, Session& session, const PathTable& paths);
  unsigned first_path(const Spread* spread, const PathTable& paths) const;
  void send_packet(Peer& peer, Session& session, const PathTable& paths, uint8_t* packet, size_t len, uint64_t counter);
  /** By `paths.paths[index]`. `noted`: if packets are spread, the scheduler hears of it. */
  void send_by(Peer& peer, Session& session, const PathTable& paths, unsigned index, uint8_t* packet, size_t len,
               uint64_t counter, bool noted = true);
  /** The frame's packets are larger than the paths take: reports or fragments them. */
  void send_oversize(Peer& peer, Session& session, const PathTable& paths);
  void report_too_big(const uint8_t* packet, size_t len, size_t mtu);
  void send_fragments(Peer& peer, Session& session, const PathTable& paths, const uint8_t* packet, size_t len);
  /** Up to what size inner packets are padded. */
  size_t largest_packet(const PathTable& paths) const;
  bool worth_a_task(const PathTable& paths, unsigned index, bool noted) const;
  void send_as_task(Peer& peer, Session& session, const Path& path, uint64_t counter);
  void next_task();
  void finish_tasks();
  /** A sealed message of an earlier packet. */
  void send_sealed(Peer& peer, const Path& path, const uint8_t* message, size_t len, bool data);

  // For peers whose packets are spread over several paths: sender_spread.cc.
  /** What is known of the peer's paths; null if its packets are not spread. */
  Spread* spread_of(Peer& peer, Session& session, const PathTable& paths) {
    // Every packet comes by here, and most peers have one path.
    if (peer.tx.spread == nullptr && !paths.spread()) return nullptr;
    return follow_spread(peer, session, paths);
  }
  Spread* follow_spread(Peer& peer, Session& session, const PathTable& paths);
  void start_spread(Peer& peer);
  void end_spread(Peer& peer, Session& session, const PathTable& paths);
  void spread_packets(Peer& peer, Session& session, const PathTable& paths, Spread& spread);
  void send_waiting(Peer& peer, Session& session, const PathTable& paths, Spread& spread);
  static size_t drop_waiting(Peer& peer);
  void send_lost(Peer& peer, const PathTable& paths, Spread& spread);
  void send_requests(Peer& peer, Session& session, const PathTable& paths, Spread& spread);
  void send_report(Peer& peer, Command& command);
  void take_report(Peer& peer, const Command& command);
  void serve_spreads();
  void serve(Peer& peer, Spread& spread);
  static void show(Peer& peer, const Spread& spread);
  void stage(Peer& peer, size_t len);
  void flush_staged(Peer& peer);
  void send_keepalive(Peer& peer);
  Session* usable_session(const Peer& peer) const;
  static const PathTable* usable_paths(const Peer& peer);

  uint8_t* frame() { return task_->memory.data() + SealTask::FRAME_OFFSET - sizeof(VnetHeader); }
  uint8_t* packet() { return task_->memory.data() + SealTask::FRAME_OFFSET; }

  DeviceState& state_;
  Workers& workers_;
  /** One for the frame at hand, and with workers as many more as may be under way. */
  std::vector<std::unique_ptr<SealTask>> tasks_;
  size_t task_index_ = 0;
  SealTask* task_;
  SendGroups groups_;
  Staging staging_;
  /** In redundant mode, the sealed message for the second path: sending the first may reuse its room. */
  std::vector<uint8_t> duplicate_;
  struct Spreading {
    PeerId id;
    uint32_t generation;
  };
  /** Peers with `tx.spread`. */
  std::vector<Spreading> spreading_;  // bounded: by the table of peers
  uint64_t deadline_ = UINT64_MAX;
  /** Packets that the sender makes itself; bytes before and behind are lent to sealing. */
  PageBuffer scratch_{SCRATCH_OFFSET + 65536 + SCRATCH_OFFSET};
  uint32_t fragment_id_;
  bool failed_ = false;
  /** Time at which the step began. */
  uint64_t now_ = 0;
};

}  // namespace asterism
