// Inner packets that wait until a path has room: first in, first out, in one ring of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/buffer.h"
#include "crypto/one_pass.h"

namespace asterism {

class BulkQueue {
 public:
  static constexpr size_t CAPACITY_BYTES = 8 * 1024 * 1024;

  BulkQueue() : memory_(CAPACITY_BYTES) {}

  bool empty() const { return begin_ == end_; }
  /** Of packets. */
  size_t bytes() const { return bytes_; }

  /** False: no room. */
  bool push(const uint8_t* packet, size_t len) {
    const size_t size = room_for(len);
    const size_t left = CAPACITY_BYTES - end_ % CAPACITY_BYTES;
    const size_t skip = size > left ? left : 0;
    if (end_ + skip + size - begin_ > CAPACITY_BYTES) return false;
    if (skip != 0) {
      if (skip >= sizeof(uint32_t)) store(end_, 0);
      end_ += skip;
    }
    store(end_, static_cast<uint32_t>(len));
    std::memcpy(memory_.data() + end_ % CAPACITY_BYTES + HEADROOM_BYTES, packet, len);
    end_ += size;
    bytes_ += len;
    return true;
  }

  /** The oldest packet, with bytes before and behind it that may be borrowed. Not when empty. */
  uint8_t* front(size_t& len) {
    len = load(begin_);
    if (len == 0) {
      begin_ += CAPACITY_BYTES - begin_ % CAPACITY_BYTES;
      len = load(begin_);
    }
    return memory_.data() + begin_ % CAPACITY_BYTES + HEADROOM_BYTES;
  }

  /** Forgets the oldest packet. */
  void pop() {
    size_t len;
    front(len);
    begin_ += room_for(len);
    bytes_ -= len;
    // As little memory as possible is touched.
    if (empty()) begin_ = end_ = 0;
  }

 private:
  // The AEAD's headroom, the padding behind a packet, and places that are multiples of 64.
  static constexpr size_t HEADROOM_BYTES = AEAD_HEADROOM_BYTES + 64;
  static constexpr size_t room_for(size_t len) { return (HEADROOM_BYTES + len + 16 + 63) / 64 * 64; }

  void store(uint64_t at, uint32_t len) { std::memcpy(memory_.data() + at % CAPACITY_BYTES, &len, sizeof len); }
  size_t load(uint64_t at) const {
    uint32_t len;
    std::memcpy(&len, memory_.data() + at % CAPACITY_BYTES, sizeof len);
    return len;
  }

  PageBuffer memory_;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
  size_t bytes_ = 0;
};

}  // namespace asterism
