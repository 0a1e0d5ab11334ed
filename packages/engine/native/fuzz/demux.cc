// Any datagram: the demultiplexer's answer lies inside it and has the length that its kind promises.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "wire/demux.h"
#include "wire/mac1.h"

using namespace asterism;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const uint8_t public_key[32] = {1};
  static const Mac1 mac1(public_key);
  const std::unique_ptr<uint8_t[]> copy(new uint8_t[size]);
  if (size > 0) std::memcpy(copy.get(), data, size);
  const Datagram datagram = demultiplex(copy.get(), size);
  if (datagram.data < copy.get() || datagram.data + datagram.len > copy.get() + size) abort();
  if (datagram.channel != 0 && (datagram.channel & 0xF000) != 0x4000) abort();
  switch (datagram.kind) {
    case DatagramKind::transport:
      if (datagram.len < TRANSPORT_OVERHEAD_BYTES) abort();
      break;
    case DatagramKind::handshake:
      if (datagram.len != 148 && datagram.len != 92) abort();
      mac1.verify(datagram.data, datagram.len);
      break;
    case DatagramKind::cookie_reply:
      if (datagram.len != 64) abort();
      break;
    case DatagramKind::stun:
      if (datagram.len < 20) abort();
      break;
    case DatagramKind::malformed:
    case DatagramKind::unknown:
      break;
  }
  return 0;
}
