// The loops of the data threads.
#pragma once

#include <pthread.h>
#include <sys/epoll.h>

#include <string>

#include "base/unique_fd.h"
#include "device/receiver.h"
#include "device/sender.h"
#include "device/shared.h"

namespace asterism {

class DataThreads {
 public:
  explicit DataThreads(DeviceState& state);
  ~DataThreads() { stop(); }

  /** `threads`: 1, or 2 for one per direction. `workers` help both. False if the kernel refuses. */
  bool start(unsigned threads, unsigned workers);
  void stop();

  /** Registers the link's sockets with the receive loop. Control thread. */
  bool watch(const Link& link);
  void unwatch(const Link& link);

 private:
  bool spawn(const char* name, void* (*entry)(void*));
  bool prepare(bool single);
  void unwatch_tun(int poll_fd);
  void run_send();
  void run_receive();
  void run_single();
  void handle_events(int count, const epoll_event* events, bool& send_ready);

  DeviceState& state_;
  Workers workers_;
  Sender sender_;
  Receiver receiver_;
  UniqueFd send_poll_;
  UniqueFd receive_poll_;
  UniqueFd stop_event_;
  pthread_t threads_[2]{};
  unsigned started_ = 0;
};

}  // namespace asterism
