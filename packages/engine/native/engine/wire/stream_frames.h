// Cuts the byte stream of TURN over TCP or TLS into frames (RFC 8656 §12.5): STUN messages and padded ChannelData, one
// after the other, told apart by their first two bits.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace asterism {

/** What a stream begins with. */
struct FrameStart {
  enum class Kind : uint8_t { whole_header, incomplete, impossible };
  Kind kind = Kind::incomplete;
  /** whole_header: bytes of the frame, padding included; at most MAX_FRAME_BYTES. */
  size_t len = 0;
};

constexpr size_t MAX_FRAME_BYTES = 20 + 0xFFFC;

/** Never reads outside [data, data + len). */
FrameStart frame_start(const uint8_t* data, size_t len);

class StreamFrames {
 public:
  /**
   * The frames that are whole with these bytes, in order; they point there or in here, until the next call. False where
   * no frame can begin: for good, close the stream.
   */
  bool read(const uint8_t* data, size_t len, std::vector<iovec>& frames);

  /** Bytes of an unfinished frame. */
  size_t pending_len() const { return pending_.size() - consumed_; }

 private:
  std::vector<uint8_t> pending_;  // bounded: MAX_FRAME_BYTES and what was read at once
  size_t consumed_ = 0;           // of these
  bool out_of_step_ = false;
};

}  // namespace asterism
