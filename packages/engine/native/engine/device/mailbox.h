// Events from the data threads to TypeScript: a bounded queue with one wake-up per batch.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "tables/path.h"
#include "tables/peer.h"

namespace asterism {

enum class EventKind : uint8_t { datagram, session_needed, session_confirmed, roamed, inner, path_mtu, frames, failed };

struct Event {
  EventKind kind;
  bool stun = false;                // datagram: STUN, else WireGuard
  PeerId peer = 0;
  uint32_t peer_generation = 0;
  uint32_t local_index = 0;         // session_confirmed
  uint32_t mtu_bytes = 0;           // path_mtu
  uint64_t at_ns = 0;               // inner
  PathAddress from;                 // path_mtu: to; frames: only the link
  std::vector<uint8_t> bytes;       // datagram, inner, frames
  std::string message;              // failed
};

class Mailbox {
 public:
  /** `wake` is called from any thread when the mailbox ceases to be empty; it must not block. */
  explicit Mailbox(std::function<void()> wake) : wake_(std::move(wake)) {}

  /** False: full, the event is dropped. Any thread. */
  bool push(Event&& event);
  /**
   * Datagrams for a stream, one behind the other in `pieces`, each of `segment_len` bytes but the last of all; each is
   * padded to a multiple of 4 (RFC 8656 §12.5). Those for one link that follow each other become one event. False: they
   * find no room, and none is taken. Any thread.
   */
  bool push_frames(LinkId link, const iovec* pieces, unsigned count, size_t segment_len);
  /** Everything queued, in order. */
  std::vector<Event> drain();

 private:
  // Datagrams can be forged, so they have a budget of their own and can't crowd out the other events,
  // which are few: each is limited per peer or comes from an authenticated peer.
  static constexpr size_t DATAGRAM_BYTES = 512 * 1024;
  static constexpr size_t OTHER_BYTES = 1024 * 1024;
  static constexpr size_t STREAM_BYTES = 2 * 1024 * 1024;
  static constexpr size_t FRAMES_EVENT_BYTES = 128 * 1024;
  static constexpr size_t EVENT_OVERHEAD_BYTES = 256;

  std::function<void()> wake_;
  std::mutex mutex_;
  std::vector<Event> events_;  // bounded: by the budgets
  size_t datagram_bytes_ = 0;
  size_t other_bytes_ = 0;
  size_t stream_bytes_ = 0;
};

}  // namespace asterism
