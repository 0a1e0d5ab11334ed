// What two engines tell each other inside the tunnel about their paths. Docs: docs/protocol-multipath.md.
//
//   request   01 11 00 round  hold µs (u32 LE)
//   report    01 12 paths words  session index (u32)  greatest counter (u64)  clock ns (u64)  first word (u64)
//             paths × { counters behind the greatest (u32), µs before the clock (u32) }
//             words × received bits of 64 counters each (u64), from counter 64 × first word on
//
// WireGuard pads packets to 16 bytes, so both know their own length.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace asterism {

/** First byte of an inner packet that is for the other engine itself. */
constexpr uint8_t MULTIPATH_MESSAGE = 0x01;

/** A sender that spreads its packets asks for reports. Sent by every path; the one it comes by first is the fastest. */
struct MultipathRequest {
  static constexpr size_t BYTES = 8;

  uint8_t round = 0;
  /** How long a packet is worth waiting for; 0 if all come by one path. */
  uint32_t hold_us = 0;

  size_t write(uint8_t* to) const;
  /** False if it is none. */
  bool read(const uint8_t* from, size_t len);
};

/** What arrived in one session. */
struct MultipathReport {
  static constexpr unsigned MAX_PATHS = 17;
  static constexpr unsigned MAX_WORDS = 64;
  static constexpr size_t MAX_BYTES = 32 + MAX_PATHS * 8 + MAX_WORDS * 8;

  struct Arrival {
    uint64_t counter;
    /** Receiver's clock. */
    uint64_t at_ns;
  };

  uint32_t session_index = 0;
  uint64_t greatest = 0;
  /** Receiver's clock when it was written. */
  uint64_t clock_ns = 0;
  /** The last packet of each path. */
  unsigned path_count = 0;
  std::array<Arrival, MAX_PATHS> paths;
  /** Counters below 64 × first_word are not waited for any more. */
  uint64_t first_word = 0;
  unsigned word_count = 0;
  std::array<uint64_t, MAX_WORDS> words;

  size_t write(uint8_t* to) const;
  bool read(const uint8_t* from, size_t len);
};

}  // namespace asterism
