// Two devices of this process that reach each other over loopback, in a network namespace of their own.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "device/device.h"

namespace asterism::test {

/** False without root rights or /dev/net/tun; the reason is printed once. */
bool can_open_devices();

struct End {
  std::unique_ptr<Device> device;
  const Link* link = nullptr;
  PeerId peer = 0;
  std::vector<Event> events;

  uint64_t drops(Drop reason) const { return get(device->counters()->drops[static_cast<unsigned>(reason)]); }
  const PeerCounters& counters() const { return device->counter_chunk(0)->peers[peer]; }
};

class DevicePair {
 public:
  explicit DevicePair(unsigned threads = 2, uint16_t channel = 0, bool v6 = false, unsigned workers = 0);

  End a, b;

  PathSpec path(const End& from, const End& to) const;
  /** Installs matching sessions on both ends; the same round gives the same keys. */
  void install(unsigned round, Aead aead = Aead::chacha20_poly1305, bool b_responds = false);
  SessionOptions session(bool of_a, unsigned round, Aead aead = Aead::chacha20_poly1305);

 private:
  void open(End& end, const char* name, unsigned threads, unsigned workers);
  uint16_t channel_;
  bool v6_;
  uint8_t keys_[2][32];
};

/** Gives an interface an address of 100.64.0.0/16. */
bool set_address(const char* name, const char* address);

/** Drains both ends' events until the condition holds; false after five seconds. */
bool eventually(DevicePair& pair, const std::function<bool()>& condition);
size_t count_events(const End& end, EventKind kind);

}  // namespace asterism::test
