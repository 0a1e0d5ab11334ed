// A data thread of the relay: waits for its sockets and forwards what comes.
#pragma once

#include <pthread.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "base/buffer.h"
#include "base/unique_fd.h"
#include "relay/forwarder.h"
#include "relay/limits.h"

namespace asterism {

struct RequestLimits {
  /** Requests of one source network. */
  uint32_t source_per_second = 500;
  /** Requests of all sources without an allocation together. */
  uint32_t strangers_per_second = 5000;
};

/** Shared by all workers. */
struct RequestLimiters {
  RequestLimiters(const RequestLimits& limits, uint64_t seed);

  SourceLimiter sources;
  SourceLimiter strangers;
};

class RelayWorker {
 public:
  RelayWorker(RelayState& state, RequestLimiters& limiters, unsigned index, uint64_t seed);
  ~RelayWorker() { stop(); }

  bool start(const char* name);
  void stop();

  /** Any thread; the tables are held for writing. */
  bool watch_listener(const RelayListener& listener);
  bool watch_allocation(const Allocation& allocation);

 private:
  static constexpr unsigned BATCH = 64;
  static constexpr size_t BUFFER_BYTES = 64 * 1024;

  union Control {
    cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
  };

  bool watch(int fd, uint64_t tag);
  void run();
  void handle(uint64_t tag);
  int receive(int fd);
  /** Length of the segments of received message `index`; 0 if it was truncated. */
  size_t segment_len(unsigned index);
  void handle_listener(const RelayListener& listener, bool v6);
  void handle_client_message(const RelayListener& listener, const UdpAddress& from, const uint8_t* data, size_t len, size_t segment);
  void handle_relayed(Allocation& allocation, bool v6);
  void pass_up(const RelayListener& listener, const UdpAddress& from, bool known, const TurnDatagram& datagram);

  RelayState& state_;
  RequestLimiters& limiters_;
  const unsigned index_;
  Forwarder forwarder_;
  PageBuffer memory_;
  std::array<mmsghdr, BATCH> messages_{};
  std::array<iovec, BATCH> vectors_{};
  std::array<UdpAddress, BATCH> addresses_{};
  std::array<Control, BATCH> controls_{};
  UniqueFd poll_;
  UniqueFd stop_event_;
  std::atomic<bool> stopping_{false};
  uint64_t now_ = 0;
  pthread_t thread_{};
  bool started_ = false;
};

}  // namespace asterism
