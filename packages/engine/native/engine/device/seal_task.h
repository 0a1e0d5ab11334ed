// Sealing of the packets of one frame, at once or as a task.
#pragma once

#include <array>
#include <cstdint>

#include "base/buffer.h"
#include "device/send_groups.h"
#include "device/workers.h"
#include "packet/split.h"
#include "tables/session.h"

namespace asterism {

/** How one inner packet becomes one datagram: [ChannelData header] transport header, ciphertext, tag. */
struct DatagramLayout {
  uint16_t channel;
  size_t prefix_len;
  size_t padded_len;
  size_t message_len;

  size_t datagram_len() const { return prefix_len + message_len; }
};

/** `mtu_bytes`: the largest inner packet, beyond which nothing is padded. */
DatagramLayout datagram_layout(uint16_t channel, size_t packet_len, size_t mtu_bytes);
/** Largest inner packet that the path is known to carry in one piece; SIZE_MAX if its MTU is unknown. */
size_t inner_limit(const Path& path);

/**
 * Writes the datagram to `room`. Bytes before the packet and 16 behind it are borrowed and put back.
 * False if libcrypto fails; the room then holds zeros, which no receiver takes for anything.
 */
bool seal_datagram(Session& session, unsigned lane, uint64_t counter, const DatagramLayout& layout, uint8_t* packet,
                   size_t len, uint8_t* room);

/** A frame of the host whose packets have their places in the groups already. */
class SealTask final : public Task {
 public:
  static constexpr size_t FRAME_OFFSET = 256;
  static constexpr size_t FRAME_BYTES = FRAME_OFFSET + 65536 + 256;
  static constexpr size_t MAX_PACKETS = 128;

  SealTask() : memory(FRAME_BYTES) {}
  void run(unsigned lane) override;

  PageBuffer memory;
  Splitter splitter;
  SendGroups* groups = nullptr;
  DeviceCounters* counters = nullptr;
  Session* session = nullptr;
  uint64_t first_counter = 0;
  uint16_t channel = 0;
  size_t mtu_bytes = 0;
  struct Place {
    uint8_t* room;
    unsigned group;
  };
  std::array<Place, MAX_PACKETS> places;
};

}  // namespace asterism
