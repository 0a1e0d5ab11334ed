// Commands from the control thread to the send thread, which alone seals and stages.
#pragma once

#include <sys/eventfd.h>

#include <cstdint>
#include <mutex>
#include <vector>

#include "base/unique_fd.h"
#include "tables/peer.h"

namespace asterism {

enum class CommandKind : uint8_t {
  flush_staged,   // the peer may have got a session or a path
  drop_staged,
  keepalive,
  send_inner,     // bytes: VnetHeader, then the packet
  send_report,    // bytes: an inner packet for the peer's engine, by the path `via`
  take_report,    // bytes: what the peer reports of its paths
  forget_peer,    // peer: unlinked everywhere; the send thread retires it
};

struct Command {
  CommandKind kind;
  PeerId peer_id = 0;
  uint32_t peer_generation = 0;
  Peer* peer = nullptr;
  PathAddress via;
  std::vector<uint8_t> bytes;
};

class Inbox {
 public:
  Inbox() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Inbox();

  int fd() const { return event_.get(); }

  /** False: full. `forget_peer` always fits. */
  bool push(Command&& command);
  std::vector<Command> drain();
  /** Wakes the send thread without a command. */
  void wake();

 private:
  static constexpr size_t MAX_COMMANDS = 16384;
  static constexpr size_t MAX_BYTES = 4 * 1024 * 1024;

  UniqueFd event_;
  std::mutex mutex_;
  std::vector<Command> commands_;  // bounded: MAX_COMMANDS, MAX_BYTES
  size_t bytes_ = 0;
};

}  // namespace asterism
