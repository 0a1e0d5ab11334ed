// Any datagram of a TURN client: what the parser finds lies inside it, and a Data indication reads back as it was made.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "wire/turn.h"

using namespace asterism;

namespace {

void require(bool condition) {
  if (!condition) abort();
}

void check_data_indication(const SendIndication& indication) {
  uint8_t header[DATA_INDICATION_MAX_HEADER_BYTES];
  const uint8_t id[12] = {1, 2, 3};
  const size_t header_len = write_data_indication_header(header, indication.peer, indication.len, id);
  require(header_len <= sizeof header);
  if (header_len - 20 + indication.len + 3 > 0xFFFF) return;
  std::vector<uint8_t> bytes(header, header + header_len);
  bytes.insert(bytes.end(), indication.data, indication.data + indication.len);
  bytes.resize(bytes.size() + padding_of(indication.len));
  require(classify_turn(bytes.data(), bytes.size()).kind == TurnKind::stun);
  SendIndication again;
  require(parse_send_indication(bytes.data(), bytes.size(), again));
  require(again.peer == indication.peer && again.len == indication.len);
  require(indication.len == 0 || std::memcmp(again.data, indication.data, again.len) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::unique_ptr<uint8_t[]> copy(new uint8_t[size]);
  if (size > 0) std::memcpy(copy.get(), data, size);
  const uint8_t* end = copy.get() + size;
  const TurnDatagram datagram = classify_turn(copy.get(), size);
  require(datagram.data >= copy.get() && datagram.data + datagram.len <= end);
  if (datagram.kind == TurnKind::channel_data) require((datagram.channel & 0xC000) == 0x4000);
  if (datagram.kind == TurnKind::send_indication) {
    SendIndication indication;
    if (parse_send_indication(copy.get(), size, indication)) {
      require(indication.data >= copy.get() && indication.data + indication.len <= end);
      require(indication.peer.v4.sin_port != 0);
      check_data_indication(indication);
    }
  }
  for (size_t at = 0; at < size;) {
    const size_t frame = channel_frame_len(copy.get() + at, size - at);
    require(frame <= size - at);
    if (frame == 0) break;
    at += frame;
  }
  return 0;
}
