// Any packet and limit: reports and fragments stay within their bounds and are whole IP packets.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/bytes.h"
#include "packet/ip.h"
#include "packet/oversize.h"

using namespace asterism;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const size_t limit = std::max<size_t>(load_be16(data), 68);
  const size_t len = ip_packet_len(data + 2, size - 2);
  if (len == 0) return 0;
  // Exactly the packet: a byte too far is caught.
  const std::unique_ptr<uint8_t[]> packet(new uint8_t[len]);
  std::memcpy(packet.get(), data + 2, len);
  const std::unique_ptr<uint8_t[]> out(new uint8_t[std::max(limit, MAX_TOO_BIG_BYTES)]);
  const size_t report = write_too_big(out.get(), packet.get(), len, limit);
  if (report > MAX_TOO_BIG_BYTES || (report != 0 && ip_packet_len(out.get(), report) != report)) abort();
  if (must_be_reported(packet.get(), len) && !may_be_fragmented(packet.get())) return 0;
  Fragmenter fragmenter;
  if (!fragmenter.start(packet.get(), len, limit, 1)) return 0;
  size_t total = 0;
  for (size_t piece = fragmenter.next(out.get()); piece != 0; piece = fragmenter.next(out.get())) {
    if (piece > limit || ip_packet_len(out.get(), piece) != piece) abort();
    total += piece;
  }
  if (total < len && total + 8 < len) abort();
  return 0;
}
