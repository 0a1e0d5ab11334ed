#include "relay/limits.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/clock.h"

namespace asterism {
namespace {

uint64_t mix(uint64_t value) {
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccd;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53;
  return value ^ value >> 33;
}

}  // namespace

bool ByteBucket::take(size_t bytes, uint64_t now_ns) {
  const uint64_t rate = rate_.load(std::memory_order_relaxed);
  if (rate == 0) return true;
  const uint64_t burst_ns = std::max(BURST_NS, MIN_BURST_BYTES * NS_PER_SECOND / rate);
  const uint64_t earliest = now_ns > burst_ns ? now_ns - burst_ns : 0;
  const uint64_t used = std::max(used_until_.load(std::memory_order_relaxed), earliest) + bytes * NS_PER_SECOND / rate;
  if (used > now_ns) return false;
  used_until_.store(used, std::memory_order_relaxed);
  return true;
}

uint64_t hash_address(const UdpAddress& address, uint64_t seed) {
  if (!address.is_v6()) return mix(seed ^ (uint64_t{address.v4.sin_addr.s_addr} << 16 | address.v4.sin_port));
  const auto* bytes = reinterpret_cast<const uint8_t*>(&address.v6.sin6_addr);
  return mix(mix(mix(seed ^ load_raw<uint64_t>(bytes)) ^ load_raw<uint64_t>(bytes + 8)) ^ address.v6.sin6_port);
}

SourceLimiter::SourceLimiter(uint64_t rate_per_second, uint64_t burst, uint64_t seed)
    : interval_ns_(NS_PER_SECOND / rate_per_second), burst_ns_(burst * interval_ns_), seed_(seed), used_until_(BUCKETS) {}

bool SourceLimiter::take(const UdpAddress& source, uint64_t now_ns) {
  UdpAddress network = source;
  network.v4.sin_port = 0;
  if (network.is_v6()) std::memset(reinterpret_cast<uint8_t*>(&network.v6.sin6_addr) + 8, 0, 8);
  std::atomic<uint64_t>& used_until = used_until_[hash_address(network, seed_) % BUCKETS];
  const uint64_t earliest = now_ns > burst_ns_ ? now_ns - burst_ns_ : 0;
  const uint64_t used = std::max(used_until.load(std::memory_order_relaxed), earliest) + interval_ns_;
  if (used > now_ns) return false;
  used_until.store(used, std::memory_order_relaxed);
  return true;
}

bool FairShare::take(uint32_t allocation, size_t bytes) {
  Slot& slot = slots_[allocation % SLOTS];
  if (slot.window != window_) slot = {allocation, window_, 0, 0};
  slot.offered += bytes;
  if (slot.passed + bytes > share_) return false;
  slot.passed += bytes;
  return true;
}

void FairShare::end_window(bool overloaded) {
  if (!overloaded) {
    if (share_ < ~uint64_t{0} / 2) share_ += share_ / 2 + 64 * 1024;
  } else {
    std::vector<uint64_t> offered;  // bounded: SLOTS
    uint64_t capacity = 0;
    for (const Slot& slot : slots_) {
      if (slot.window != window_) continue;
      offered.push_back(slot.offered);
      capacity += slot.passed;
    }
    // Less than what passed, so that the queue empties; forwarding less must not shrink the capacity without end.
    peak_ = std::max(capacity, peak_ - peak_ / 64);
    capacity = std::max(capacity / 10 * 9, peak_ / 4 * 3);
    std::sort(offered.begin(), offered.end());
    // Whoever wants less than an equal part of what is left gets it all; the others share the rest.
    share_ = ~uint64_t{0};
    for (size_t i = 0; i < offered.size(); i++) {
      const uint64_t part = capacity / (offered.size() - i);
      if (offered[i] > part) {
        share_ = std::max<uint64_t>(part, 64 * 1024);
        break;
      }
      capacity -= offered[i];
    }
  }
  window_++;
}

}  // namespace asterism
