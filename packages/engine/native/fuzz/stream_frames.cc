// Any stream of a TURN server, cut anywhere: the frames are the same as those of the whole stream.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "wire/stream_frames.h"

using namespace asterism;

namespace {

void require(bool condition) {
  if (!condition) abort();
}

/** The bytes of all frames, one behind the other. */
std::vector<uint8_t> read_all(const uint8_t* data, size_t size, size_t chunk, bool& in_step) {
  StreamFrames frames;
  std::vector<uint8_t> read;
  in_step = true;
  for (size_t at = 0; at < size && in_step; at += chunk) {
    const std::vector<uint8_t> copy(data + at, data + std::min(size, at + chunk));
    std::vector<iovec> whole;
    in_step = frames.read(copy.data(), copy.size(), whole);
    for (const iovec& frame : whole) {
      const auto* bytes = static_cast<const uint8_t*>(frame.iov_base);
      require(frame.iov_len >= 4 && frame.iov_len <= MAX_FRAME_BYTES);
      read.insert(read.end(), bytes, bytes + frame.iov_len);
    }
    require(frames.pending_len() < MAX_FRAME_BYTES);
  }
  return read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t chunk = data[0] % 64 + 1u;
  bool whole_in_step, cut_in_step;
  const std::vector<uint8_t> whole = read_all(data + 1, size - 1, size, whole_in_step);
  const std::vector<uint8_t> cut = read_all(data + 1, size - 1, chunk, cut_in_step);
  require(whole == cut && whole_in_step == cut_in_step);
  require(whole.size() <= size && std::equal(whole.begin(), whole.end(), data + 1));
  return 0;
}
