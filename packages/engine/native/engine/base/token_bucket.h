// A limit on how often something happens.
#pragma once

#include <algorithm>
#include <cstdint>

namespace asterism {

/** Lets `rate_per_second` events pass on average, `burst` at once. Times are nanoseconds. */
class TokenBucket {
 public:
  TokenBucket(uint64_t rate_per_second, uint64_t burst) : interval_ns_(1'000'000'000 / rate_per_second), burst_(burst) {}

  bool take(uint64_t now) {
    const uint64_t earliest = now > burst_ * interval_ns_ ? now - burst_ * interval_ns_ : 0;
    const uint64_t used_until = std::max(full_at_, earliest) + interval_ns_;
    if (used_until > now) return false;
    full_at_ = used_until;
    return true;
  }

 private:
  uint64_t interval_ns_;
  uint64_t burst_;
  uint64_t full_at_ = 0;
};

}  // namespace asterism
