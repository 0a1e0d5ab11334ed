// What rtnetlink tells of the host's links, addresses and routes.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/unique_fd.h"

namespace asterism {

/** `ready`: the host's state at the start is told. `lost`: there was more than could be heard. */
enum class NetworkEventKind : uint8_t { link, address, route, ready, lost };

struct NetworkEvent {
  NetworkEventKind kind;
  bool gone = false;     // link, address, route: removed, else there
  bool running = false;  // link: up, with a carrier
  uint32_t index = 0;    // of the interface; 0 if a route has none
  std::string name;      // link: the interface's
  std::string address;   // address
};

/**
 * Appends what one datagram of the netlink socket says that can matter to who sends packets: no link-local or tentative
 * addresses, no routes that come and go with addresses. True if it ends a dump. Any bytes will do.
 */
bool read_network_events(const uint8_t* bytes, size_t len, std::vector<NetworkEvent>& events);

/** Listens on a thread of its own, which ends with the object. */
class NetworkWatch {
 public:
  /** `wake` is called on that thread when `drain` has something to give. Needs no rights. */
  static Status open(std::function<void()> wake, std::unique_ptr<NetworkWatch>& watch, int& error);
  ~NetworkWatch();

  std::vector<NetworkEvent> drain();

 private:
  enum class Dump : uint8_t { links, addresses, done };

  explicit NetworkWatch(std::function<void()> wake) : wake_(std::move(wake)) {}
  bool start();
  bool request(uint16_t type);
  void run();
  void receive();
  void end_dump(std::vector<NetworkEvent>& events);
  void post(std::vector<NetworkEvent>&& events);

  std::function<void()> wake_;
  UniqueFd socket_;
  UniqueFd stop_;
  pthread_t thread_{};
  bool started_ = false;
  Dump dump_ = Dump::links;
  std::mutex mutex_;
  std::vector<NetworkEvent> waiting_;  // bounded: MAX_WAITING, then `lost` in their stead
};

}  // namespace asterism
