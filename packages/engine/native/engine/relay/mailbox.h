// What the relay hands up to TypeScript: requests of UDP clients, and what peers sent to clients behind a stream.
// A bounded queue with one wake-up per batch.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "tables/path.h"

namespace asterism {

struct RelayEvent {
  /** A datagram that TypeScript answers, else frames for the stream of `allocation`. */
  bool request = true;
  bool classic = false;  // request: RFC 3489, without the magic cookie
  uint32_t listener = 0;
  UdpAddress from;
  uint32_t allocation = 0;
  std::vector<uint8_t> bytes;
};

class RelayMailbox {
 public:
  /** `wake` is called from any thread when the mailbox ceases to be empty; it must not block. */
  explicit RelayMailbox(std::function<void()> wake) : wake_(std::move(wake)) {}

  /** False: full, dropped. Any thread. */
  bool push_request(uint32_t listener, const UdpAddress& from, bool classic, const uint8_t* data, size_t len);
  /** One frame, in parts. Frames of one allocation that follow each other become one event. */
  bool push_frame(uint32_t allocation, const iovec* parts, unsigned count, size_t len);
  std::vector<RelayEvent> drain();

 private:
  static constexpr size_t REQUEST_BYTES = 1024 * 1024;
  static constexpr size_t STREAM_BYTES = 8 * 1024 * 1024;
  /** So that one stream can't crowd out the others. */
  static constexpr size_t ALLOCATION_BYTES = 1024 * 1024;
  static constexpr size_t EVENT_BYTES = 256 * 1024;
  static constexpr size_t EVENT_OVERHEAD_BYTES = 256;

  std::function<void()> wake_;
  std::mutex mutex_;
  std::vector<RelayEvent> events_;  // bounded: by the budgets
  size_t request_bytes_ = 0;
  size_t stream_bytes_ = 0;
  std::unordered_map<uint32_t, size_t> allocation_bytes_;  // bounded: STREAM_BYTES / EVENT_OVERHEAD_BYTES
};

}  // namespace asterism
