#include "wire/stream_frames.h"

#include "base/bytes.h"
#include "wire/demux.h"
#include "wire/turn.h"

namespace asterism {
namespace {

constexpr uint32_t MAGIC_COOKIE = 0x2112A442;
constexpr size_t STUN_HEADER_BYTES = 20;

}  // namespace

FrameStart frame_start(const uint8_t* data, size_t len) {
  using Kind = FrameStart::Kind;
  if (len == 0) return {Kind::incomplete};
  if ((data[0] & 0x80) != 0) return {Kind::impossible};
  if ((data[0] & 0x40) != 0) {
    if (len < CHANNEL_HEADER_BYTES) return {Kind::incomplete};
    const size_t body = load_be16(data + 2);
    return {Kind::whole_header, CHANNEL_HEADER_BYTES + body + padding_of(body)};
  }
  if (len < 8) return {Kind::incomplete};
  const size_t body = load_be16(data + 2);
  if (load_be32(data + 4) != MAGIC_COOKIE || body % 4 != 0) return {Kind::impossible};
  return {Kind::whole_header, STUN_HEADER_BYTES + body};
}

bool StreamFrames::read(const uint8_t* data, size_t len, std::vector<iovec>& frames) {
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(consumed_));
  consumed_ = 0;
  if (out_of_step_) return false;
  const bool joins = !pending_.empty();
  if (joins) {
    pending_.insert(pending_.end(), data, data + len);
    data = pending_.data();
    len = pending_.size();
  }
  size_t at = 0;
  for (;;) {
    const FrameStart start = frame_start(data + at, len - at);
    out_of_step_ = start.kind == FrameStart::Kind::impossible;
    if (start.kind != FrameStart::Kind::whole_header || start.len > len - at) break;
    frames.push_back({const_cast<uint8_t*>(data + at), start.len});
    at += start.len;
  }
  if (joins) {
    consumed_ = at;
  } else if (!out_of_step_) {
    pending_.assign(data + at, data + len);
  }
  return !out_of_step_;
}

}  // namespace asterism
