// The engine's one clock: CLOCK_BOOTTIME, which goes on while the host sleeps. Sessions and lifetimes that others count
// on run out in the meantime.
#pragma once

#include <ctime>

#include <cstdint>

namespace asterism {

constexpr uint64_t NS_PER_MS = 1'000'000;
constexpr uint64_t NS_PER_SECOND = 1'000'000'000;

inline uint64_t to_ns(const timespec& at) {
  return static_cast<uint64_t>(at.tv_sec) * NS_PER_SECOND + static_cast<uint64_t>(at.tv_nsec);
}

inline uint64_t clock_ns(clockid_t clock) {
  timespec at;
  clock_gettime(clock, &at);
  return to_ns(at);
}

inline uint64_t now_ns() { return clock_ns(CLOCK_BOOTTIME); }
/** For comparing with the kernel's stamps only: it may be set. */
inline uint64_t wall_clock_ns() { return clock_ns(CLOCK_REALTIME); }

}  // namespace asterism
