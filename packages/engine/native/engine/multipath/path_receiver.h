// What came from one peer that spreads its packets: reported to it, and put in order. Owned by the receive thread.
#pragma once

#include <array>
#include <cstdint>

#include "multipath/flows.h"
#include "multipath/messages.h"
#include "multipath/reorder_buffer.h"
#include "tables/path.h"
#include "wire/replay_window.h"

namespace asterism {

class PathReceiver {
 public:
  /** The peer wants reports; it repeats that while it has something to send. */
  void request(const MultipathRequest& request, const PathAddress& from, uint64_t now);

  /**
   * An authentic packet of the peer's current session came to the host at `at_ns`, not after `now`; `slot`: its path,
   * MAX_PATHS if that is unknown.
   */
  void arrived(uint64_t counter, unsigned slot, bool data, uint64_t at_ns, uint64_t now);
  /** True while packets may come by several paths and have to be put in order. `window` knows the packet at hand. */
  bool ordering(const ReplayWindow& window);

  /** True if nothing of the packet's flow can be missing before it, or too little to wait for: it goes to the host now. */
  bool may_pass(uint64_t counter, const uint8_t* packet, size_t len, uint64_t now);

  /** The session in which the peer sends, by our index. */
  bool in_session(uint32_t index) const { return has_session_ && session_index_ == index; }
  /** `next`: counters before this one have come. Release what is held first. */
  void use_session(uint32_t index, uint64_t next);

  uint32_t session_index() const { return session_index_; }
  bool report_due(uint64_t now) const { return now >= report_at_; }
  /** Length of the report at `to`, which has MultipathReport::MAX_BYTES. */
  size_t write_report(const ReplayWindow& window, uint64_t now, uint8_t* to);
  /** There is nothing to report. */
  void skip_report() { report_at_ = UINT64_MAX; }
  /** The way that requests come by first. */
  const PathAddress& reply_to() const { return reply_to_; }

  /** When something is to be done; UINT64_MAX for never. */
  uint64_t deadline() const;
  uint64_t hold_ns() const { return hold_ns_; }
  /** The peer has not asked for long. */
  bool forgotten(uint64_t now) const { return now > requested_at_ + FORGET_NS; }

  ReorderBuffer order;
  FlowPositions positions;
  FlowRates rates;

 private:
  static constexpr uint64_t FORGET_NS = 30'000'000'000;

  struct Arrival {
    uint64_t counter = 0;
    /** 0: none since the last report. */
    uint64_t at_ns = 0;
  };

  bool has_session_ = false;
  uint32_t session_index_ = 0;
  uint64_t requested_at_ = 0;
  uint8_t round_ = 0;
  PathAddress reply_to_;
  uint64_t hold_ns_ = 0;
  std::array<Arrival, MAX_PATHS + 1> arrivals_{};
  bool ordering_ = false;
  uint64_t report_at_ = UINT64_MAX;
  uint64_t reported_at_ = 0;
  /** Counters before this one were in an earlier report. */
  uint64_t reported_next_ = 0;
};

}  // namespace asterism
