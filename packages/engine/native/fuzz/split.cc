// Any vnet header with any packet: the splitter stays inside the packet's memory and yields what it promised.
#include <cstring>
#include <cstdlib>
#include <memory>

#include "base/bytes.h"
#include "packet/ip.h"
#include "packet/split.h"

using namespace asterism;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < sizeof(VnetHeader) + 1) return 0;
  const VnetHeader vnet = load_raw<VnetHeader>(data);
  const size_t len = size - sizeof vnet;
  // Exactly the packet: a byte too far is caught.
  const std::unique_ptr<uint8_t[]> packet(new uint8_t[len]);
  std::memcpy(packet.get(), data + sizeof vnet, len);
  Splitter splitter;
  if (!splitter.start(vnet, packet.get(), len)) return 0;
  for (size_t i = 0; i < splitter.count(); i++) {
    const Splitter::Packet part = splitter.next();
    if (part.data < packet.get() || part.data + part.len > packet.get() + len) abort();
    if (splitter.count() > 1 && ip_packet_len(part.data, part.len) != part.len) abort();
  }
  return 0;
}
