#include "device/seal_task.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "wire/demux.h"

namespace asterism {
namespace {

/** What every link takes for IPv4 (RFC 791 §3.2). */
constexpr size_t MIN_INNER_LIMIT = 68;

}  // namespace

DatagramLayout datagram_layout(uint16_t channel, size_t packet_len, size_t mtu_bytes) {
  // WireGuard pads to 16 bytes, but not beyond the tunnel's MTU.
  const size_t aligned = (packet_len + 15) & ~size_t{15};
  const size_t padded = packet_len <= mtu_bytes ? std::min(aligned, mtu_bytes) : aligned;
  const size_t prefix = channel != 0 ? CHANNEL_HEADER_BYTES : 0;
  return {channel, prefix, padded, TRANSPORT_OVERHEAD_BYTES + padded};
}

size_t inner_limit(const Path& path) {
  if (path.mtu_bytes == 0) return SIZE_MAX;
  const size_t overhead = TRANSPORT_OVERHEAD_BYTES + (path.to.channel != 0 ? CHANNEL_HEADER_BYTES : 0);
  return path.mtu_bytes > overhead + MIN_INNER_LIMIT ? path.mtu_bytes - overhead : MIN_INNER_LIMIT;
}

bool seal_datagram(Session& session, unsigned lane, uint64_t counter, const DatagramLayout& layout, uint8_t* packet,
                   size_t len, uint8_t* room) {
  uint8_t* message = room + layout.prefix_len;
  // The padding lies on the next part of a super-packet: lend its bytes and put them back.
  uint8_t behind[16];
  std::memcpy(behind, packet + len, sizeof behind);
  std::memset(packet + len, 0, layout.padded_len - len);
  const bool sealed =
      session.send.seal(lane, counter, packet, layout.padded_len, message + TRANSPORT_HEADER_BYTES);
  std::memcpy(packet + len, behind, sizeof behind);
  if (!sealed) {
    std::memset(room, 0, layout.datagram_len());
    return false;
  }
  if (layout.prefix_len != 0) {
    store_be16(room, layout.channel);
    store_be16(room + 2, static_cast<uint16_t>(layout.message_len));
  }
  store_le32(message, MESSAGE_TRANSPORT);
  store_le32(message + 4, session.remote_index);
  store_le64(message + 8, counter);
  return true;
}

void SealTask::run(unsigned lane) {
  for (size_t i = 0; i < splitter.count(); i++) {
    const Splitter::Packet part = splitter.next();
    const DatagramLayout layout = datagram_layout(channel, part.len, mtu_bytes);
    if (!seal_datagram(*session, lane, first_counter + i, layout, part.data, part.len, places[i].room)) {
      counters->drop(Drop::seal_failed);
    }
    groups->sealed(places[i].group);
  }
}

}  // namespace asterism
