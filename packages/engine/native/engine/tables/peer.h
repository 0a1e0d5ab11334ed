// A peer as the data threads see it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/token_bucket.h"
#include "tables/allowed_ips.h"
#include "multipath/path_receiver.h"
#include "multipath/slow_start.h"
#include "multipath/spread.h"
#include "tables/counters.h"
#include "tables/path.h"
#include "tables/session.h"
#include "tables/staging.h"

namespace asterism {

using PeerId = uint32_t;

struct Peer {
  PeerId id = 0;
  /** Tells this peer from an earlier one with the same id. */
  uint32_t generation = 0;
  PeerCounters* counters = nullptr;
  std::shared_ptr<PeerCounterChunk> counter_chunk;

  // Read by the data threads; replaced as a whole.
  std::atomic<PathTable*> paths{nullptr};
  std::atomic<Session*> current{nullptr};
  /** What the send thread tells the receive thread of flows. */
  StartingFlows starting;

  // Under the device's session mutex.
  Session* previous = nullptr;
  Session* next = nullptr;

  // Owned by the control thread.
  std::vector<Prefix> prefixes;
  std::array<bool, MAX_PATHS> path_slot_used{};

  // Owned by the send thread.
  struct {
    StagingQueue staged;
    uint64_t session_needed_at = 0;
    /** Open GSO group + 1 per path slot, 0 for none. */
    std::array<uint8_t, MAX_PATHS> open_group{};
    /** While packets are spread over several paths. */
    std::unique_ptr<Spread> spread;
  } tx;

  // Owned by the receive thread.
  struct {
    /** Addresses reported as roamed since the path table got this version. */
    std::array<PathAddress, 4> roamed{};
    unsigned roamed_count = 0;
    uint64_t roamed_version = 0;
    /** Inner packets for the agent itself, which cost it far more than the sender. */
    TokenBucket passed_up{500, 500};
    /** Requests and reports: at most 200 reports a second, and 160 requests, are of use. */
    TokenBucket multipath{500, 250};
    /** While the peer spreads its packets. */
    std::unique_ptr<PathReceiver> paths;
    /** While flows to the peer fill its paths. */
    std::unique_ptr<AckThinner> acks;
  } rx;

  ~Peer() { delete paths.load(std::memory_order_relaxed); }
};

}  // namespace asterism
