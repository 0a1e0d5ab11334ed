// The engine's one clock: CLOCK_BOOTTIME, which goes on while the host sleeps. Sessions and lifetimes that others count
// on run out in the meantime.
#pragma once

#include <ctime>

#include <cstdint>

namespace asterism {

constexpr uint64_t NS_PER_MS = 1'000'000;
constexpr uint64_t NS_PER_SECOND = 1'000'000'000;

inline uint64_t now_ns() {
  timespec at;
  clock_gettime(CLOCK_BOOTTIME, &at);
  return static_cast<uint64_t>(at.tv_sec) * NS_PER_SECOND + static_cast<uint64_t>(at.tv_nsec);
}

}  // namespace asterism
