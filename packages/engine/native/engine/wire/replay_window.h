// Replay protection by a sliding window over the counters of one session (RFC 6479, WireGuard paper §5.4.6).
//
// Owned by one thread. `accepts` is asked before authentication, `commit` told after it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace asterism {

class ReplayWindow {
 public:
  /** A counter this far behind the greatest one is too old. */
  static constexpr uint64_t WINDOW = 8192;

  bool accepts(uint64_t counter) const {
    if (counter >= next_) return true;
    if (counter + WINDOW < next_) return false;
    return (words_[(counter / 64) % WORDS] >> (counter % 64) & 1) == 0;
  }

  /** Marks an authentic packet's counter. False if it was not acceptable any more. */
  bool commit(uint64_t counter) {
    if (!accepts(counter)) return false;
    if (counter >= next_) advance(counter);
    words_[(counter / 64) % WORDS] |= uint64_t{1} << (counter % 64);
    return true;
  }

  /** Greatest accepted counter plus one. */
  uint64_t next() const { return next_; }
  /** Which of the counters from 64 × index on have come; within the window only. */
  uint64_t word(uint64_t index) const { return words_[index % WORDS]; }

 private:
  // One word more than the window holds, so that the word the front moves into can be cleared as a whole.
  static constexpr uint64_t WORDS = WINDOW / 64 + 1;

  void advance(uint64_t counter) {
    const uint64_t front = next_ == 0 ? 0 : (next_ - 1) / 64;
    const uint64_t steps = std::min(counter / 64 - front, WORDS);
    for (uint64_t i = 1; i <= steps; i++) words_[(front + i) % WORDS] = 0;
    next_ = counter + 1;
  }

  uint64_t next_ = 0;
  std::array<uint64_t, WORDS> words_{};
};

}  // namespace asterism
