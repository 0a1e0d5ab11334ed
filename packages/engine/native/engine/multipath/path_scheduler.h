// Spreads the packets for one peer over its paths: each goes where it would arrive first. Owned by the send thread.
//
// Learns from the peer's reports what each path carries (PathEstimator), which packets were lost (to be sent again by
// another path), and which path is dead. Asks for those reports while there is traffic. Knows nothing of packets'
// contents, of sockets and keys.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "multipath/messages.h"
#include "multipath/path_estimator.h"
#include "multipath/sent_ring.h"
#include "tables/path.h"

namespace asterism {

class PathScheduler {
 public:
  static constexpr unsigned NONE = MAX_PATHS;

  /**
   * Takes over the peer's paths and the session that sends; what is known of a path that stays is kept. `session` tells it
   * from all others of the device, `session_index` is what the peer calls it.
   */
  void use(const PathTable& paths, uint32_t session_index, uint64_t session);

  /** False while the peer has not answered of any path that lives: then there is nothing to choose by. */
  bool informed(uint64_t now) const { return informed_ && fastest(now) != NONE; }
  /** Index of the path by which a packet would arrive first, whatever waits for it. */
  unsigned fastest(uint64_t now, unsigned except = NONE) const;
  /**
   * Index of the path for the next of `waiting` bytes that are to leave in order; NONE if it is better to wait for one
   * that has no room.
   */
  unsigned choose(size_t bytes, size_t waiting, uint64_t now);
  /** When `choose` may find room that it does not find now. */
  uint64_t room_at() const;
  /** True if the next packet is better dropped, so that those who send too much notice, than put behind `waiting` bytes. */
  bool drops(size_t waiting, uint64_t now);

  /** True while paths are not all full and their delays, or losses on them, make round trips uneven. */
  bool filling(size_t waiting, uint64_t now);

  /** The packet of this counter goes by `paths[index]`; `message` is its sealed form. */
  void sent(uint64_t counter, unsigned index, const uint8_t* message, size_t len, bool data, uint64_t now);
  /**
   * Index of the path that goes on taking all that comes, faster than what is sent could be sent again: nothing that goes
   * by it before long need be noted with `sent`. NONE most of the time.
   */
  unsigned coasting(uint64_t now);
  /** Counters below this have gone that way. */
  void coasted(uint64_t next_counter, uint64_t now);
  /** The sealed packet of `counter` goes once more. */
  void sent_again(uint64_t counter, unsigned index, uint64_t now);

  /** False if the report makes no sense. */
  bool report(const MultipathReport& report, uint64_t now);
  /** To be called about every TICK_NS while `active`. */
  void tick(uint64_t now);
  static constexpr uint64_t TICK_NS = 20'000'000;

  /** A lost packet that may be sent again, and its sealed message; null if there is none. */
  const uint8_t* next_lost(uint64_t& counter, size_t& len);

  /** True if requests are due, by every path that carries. */
  bool take_request(MultipathRequest& request, uint64_t now);
  /** There has been traffic of late. */
  bool active(uint64_t now) const { return now - last_data_at_ < IDLE_NS; }

  /** What is known of `paths[index]`. */
  const PathEstimator& estimate(unsigned index) const { return known_[paths_[index].slot].estimate; }
  uint64_t round_trip_ns(unsigned index) const { return known_[paths_[index].slot].round_trip_ns; }
  uint64_t lost_packets(unsigned index) const { return known_[paths_[index].slot].lost_packets; }
  uint64_t resent_packets(unsigned index) const { return known_[paths_[index].slot].resent_packets; }
  bool dead(unsigned index) const { return known_[paths_[index].slot].dead; }
  /** Not on standby. */
  bool carries(const Path& path) const { return path.weight > 0 || standby_only_; }
  const std::vector<Path>& paths() const { return paths_; }

 private:
  static constexpr uint64_t IDLE_NS = 1'000'000'000;
  /** Reports are missed when none comes for a round trip and this. */
  static constexpr uint64_t REPORTS_MISSED_NS = 100'000'000;
  static constexpr uint64_t MAX_HOLD_NS = 400'000'000;

  struct Known {
    PathAddress to;
    bool used = false;
    bool carries = false;
    PathEstimator estimate;
    uint64_t round_trip_ns = 0;
    uint64_t sent_sequence = 0;
    /** The last one before the latest pause. */
    uint64_t paused_sequence = 0;
    uint64_t arrived_sequence = 0;
    /** Since when something is on its way without any sign of progress; 0 if nothing is. */
    uint64_t waiting_since = 0;
    bool dead = false;
    uint64_t lost_packets = 0;
    uint64_t resent_packets = 0;
  };

  void begin_session(uint32_t index, uint64_t session);
  void forget(uint8_t slot);
  bool usable(const Path& path) const;
  unsigned go_by(unsigned index, uint64_t now);
  bool goes_on(size_t bytes, int64_t arrival_ns, uint64_t now) const;
  void note_arrivals(const MultipathReport& report, uint64_t now);
  void note_received(const MultipathReport& report, uint64_t now);
  void settle(SentPacket& packet, uint64_t now);
  void lose(SentPacket& packet);
  void give_up_below(uint64_t counter);
  void find_lost(const MultipathReport& report, uint64_t now);
  bool seems_lost(const SentPacket& packet, const Known& known, uint64_t clock_ns) const;
  void note_sent(SentPacket& packet, unsigned index, uint64_t now);
  void bury(Known& known);
  /** Of the usable paths; UINT64_MAX if there are none. */
  uint64_t least_round_trip_ns() const;
  uint32_t hold_us(uint64_t now) const;
  void refresh_hold(uint64_t now);
  void refresh_noticing();
  void rest_paths(uint64_t now);
  void follow_clock(uint64_t clock_ns, uint64_t now);
  uint64_t first_remembered() const {
    return std::max(floor_, next_counter_ - std::min(next_counter_, SentRing::COUNTERS));
  }
  size_t waiting_limit() const;
  struct Sum {
    double rate = 0;
    /** The limit of one of them has not shown yet. */
    bool growing = false;
    /** Between the greatest and the least delay. */
    double spread_ns = 0;
  };
  /** Of all paths that are usable. */
  Sum sum() const;

  std::vector<Path> paths_;  // bounded: MAX_PATHS
  uint64_t paths_version_ = 0;
  bool standby_only_ = false;
  std::array<Known, MAX_PATHS> known_{};
  SentRing ring_;
  /** How long it takes until a loss is noticed: shorter, no packet is worth keeping. */
  uint64_t noticing_ns_ = 0;
  bool has_session_ = false;
  uint32_t session_index_ = 0;
  uint64_t session_ = 0;
  /** Counters from here on are not settled. */
  uint64_t floor_ = 0;
  uint64_t next_counter_ = 0;
  bool informed_ = false;
  uint64_t greatest_reported_ = 0;
  uint64_t last_report_at_ = 0;
  uint64_t last_clock_ns_ = 0;
  /** What its clock is ahead of ours, and the time that the first report took. */
  uint64_t clock_offset_ns_ = 0;
  uint64_t last_data_at_ = 0;
  uint64_t requested_at_ = 0;
  uint64_t request_due_at_ = 0;
  uint64_t unanswered_requests_ = 0;
  uint8_t request_round_ = 0;
  uint32_t requested_hold_us_ = 0;
  uint64_t dropped_at_ = 0;
  /** Index of the path that had room for the last packet and was the fastest. */
  unsigned last_ = NONE;
  uint64_t lost_at_ = 0;
  /** Since when packets go by `last_` alone and are noted. */
  uint64_t alone_since_ = 0;
  uint64_t coasts_until_ = 0;
  /** When the fastest path last had no room. */
  uint64_t crowded_at_ = 0;
  bool full_ = false;
  /** Which stretch of time it is, from one rest to the next. */
  uint64_t stretch_ = 0;
  /** Bytes that may be sent again: these, and a share of what is sent. */
  static constexpr double FIRST_RESEND_BYTES = 300'000;
  double resend_allowance_ = FIRST_RESEND_BYTES;
  std::vector<uint64_t> lost_;  // bounded: MAX_LOST
  size_t lost_first_ = 0;
};

}  // namespace asterism
