// Any sequence of IP packets: what the coalescer writes comes apart into exactly those packets, flow by flow
// in order. Input: records of { length (2), flags (1), bytes }; flag 1 flushes, flag 2 abandons, flag 4 makes
// the checksums right (so that packets can join).
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "base/bytes.h"
#include "packet/checksum.h"
#include "packet/coalesce.h"
#include "packet/ip.h"
#include "packet/split.h"

using namespace asterism;
using Bytes = std::vector<uint8_t>;

namespace {

/** Addresses, protocol, ports; packets with IP options and fragments are apart: their place among the rest is not kept. */
Bytes flow_of(const Bytes& packet) {
  const bool v4 = packet[0] >> 4 == 4;
  const size_t l4 = v4 ? (packet[0] & 15) * size_t{4} : 40;
  Bytes key(packet.begin() + (v4 ? 12 : 8), packet.begin() + (v4 ? 20 : 40));
  key.push_back(v4 ? packet[9] : packet[6]);
  key.push_back(packet[0] >> 4);
  if (v4 && (packet[0] != 0x45 || (load_be16(packet.data() + 6) & 0x3FFF) != 0)) key.push_back(1);
  if (packet.size() >= l4 + 4) key.insert(key.end(), packet.begin() + static_cast<long>(l4), packet.begin() + static_cast<long>(l4) + 4);
  return key;
}

struct Sink final : PacketSink {
  void write_packet(uint8_t* frame, size_t len) override {
    const VnetHeader vnet = load_raw<VnetHeader>(frame);
    Splitter splitter;
    if (!splitter.start(vnet, frame + sizeof vnet, len - sizeof vnet)) abort();
    for (size_t i = 0; i < splitter.count(); i++) {
      const Splitter::Packet part = splitter.next();
      packets.emplace_back(part.data, part.data + part.len);
    }
  }
  std::vector<Bytes> packets;
};

void make_valid(Bytes& packet) {
  const bool v4 = packet[0] >> 4 == 4;
  const size_t l4 = v4 ? (packet[0] & 15) * size_t{4} : 40;
  const uint8_t protocol = v4 ? packet[9] : packet[6];
  if (v4) {
    store_raw<uint16_t>(packet.data() + 10, 0);
    store_raw<uint16_t>(packet.data() + 10, ~checksum_fold(checksum_sum(packet.data(), l4)));
  }
  const size_t at = l4 + (protocol == PROTOCOL_TCP ? 16 : 6);
  if ((protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP) || at + 2 > packet.size()) return;
  store_raw<uint16_t>(packet.data() + at, 0);
  const size_t l4_len = packet.size() - l4;
  uint16_t sum = ~checksum_fold(pseudo_header_sum(packet.data(), protocol, l4_len) + checksum_sum(packet.data() + l4, l4_len));
  if (protocol == PROTOCOL_UDP && sum == 0) sum = 0xFFFF;
  store_raw<uint16_t>(packet.data() + at, sum);
}

bool checksums_valid(const Bytes& packet) {
  const bool v4 = packet[0] >> 4 == 4;
  const size_t l4 = v4 ? (packet[0] & 15) * size_t{4} : 40;
  const uint8_t protocol = v4 ? packet[9] : packet[6];
  if (v4 && checksum_fold(checksum_sum(packet.data(), l4)) != 0xFFFF) return false;
  const size_t l4_len = packet.size() - l4;
  return checksum_fold(pseudo_header_sum(packet.data(), protocol, l4_len) + checksum_sum(packet.data() + l4, l4_len)) == 0xFFFF;
}

/** What may differ between a packet sent and the same packet arrived: the id of one that may not be fragmented, and
 *  which of its two encodings a checksum of zero has. */
Bytes canonical(Bytes packet) {
  if (!checksums_valid(packet)) return packet;
  if (packet[0] >> 4 == 4 && (packet[6] & 0x40) != 0) packet[4] = packet[5] = 0;
  make_valid(packet);
  return packet;
}

using Flows = std::map<Bytes, std::vector<Bytes>>;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Sink sink;
  static Coalescer coalescer(sink, true);
  sink.packets.clear();
  Flows sent, arrived;
  while (size > 3) {
    const size_t len = load_be16(data) % 3000;
    const uint8_t flags = data[2];
    data += 3;
    size -= 3;
    if (len > size) break;
    Bytes packet(data, data + len);
    data += len;
    size -= len;
    if (len == 0 || ip_packet_len(packet.data(), len) != len) continue;
    if ((flags & 4) != 0) make_valid(packet);
    uint8_t* place = coalescer.place(len);
    std::memcpy(place, packet.data(), len);
    if ((flags & 2) != 0) {
      coalescer.abandon();
    } else {
      coalescer.commit(len);
      sent[flow_of(packet)].push_back(canonical(packet));
    }
    if ((flags & 1) != 0) coalescer.flush();
  }
  coalescer.flush();
  for (const Bytes& packet : sink.packets) arrived[flow_of(packet)].push_back(canonical(packet));
  if (sent != arrived) abort();
  return 0;
}
