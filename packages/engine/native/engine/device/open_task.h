// Opening of the transport packets of one received message.
#pragma once

#include <array>
#include <cstdint>

#include "base/buffer.h"
#include "device/workers.h"
#include "tables/session.h"
#include "wire/demux.h"

namespace asterism {

class OpenTask final : public Task {
 public:
  static constexpr size_t HEADROOM_BYTES = 128;
  static constexpr size_t MAX_PACKETS = 128;

  OpenTask() : memory(HEADROOM_BYTES + 66 * 1024) {}
  void run(unsigned lane) override;

  /** A packet that passed every check that comes before authentication. */
  struct Packet {
    Session* session;
    uint64_t counter;
    uint8_t* sealed;
    size_t len;          // of the inner packet with its padding
    uint16_t channel;
    uint8_t* opened;     // where the inner packet goes
    bool authentic;
  };

  PageBuffer memory;
  std::array<Packet, MAX_PACKETS> packets;
  size_t count = 0;
};

}  // namespace asterism
