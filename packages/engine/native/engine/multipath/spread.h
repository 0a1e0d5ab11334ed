// What the send thread keeps for a peer whose packets are spread over several paths.
#pragma once

#include <cstdint>

#include "multipath/bulk_queue.h"
#include "multipath/flows.h"
#include "multipath/path_scheduler.h"

namespace asterism {

struct Spread {
  PathScheduler scheduler;
  BulkQueue waiting;
  FlowRates flows;
  uint64_t next_tick_at = 0;
};

}  // namespace asterism
