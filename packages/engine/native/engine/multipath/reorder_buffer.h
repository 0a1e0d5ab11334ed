// Puts packets that came by several paths back into the order in which they were sent. Owned by the receive thread.
//
// A packet behind a gap is held until the gap is filled or the packet has waited for the hold time. What arrives in order
// is never held, and never copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace asterism {

class ReorderBuffer {
 public:
  /** A gap may be this many counters wide, at most; a packet further ahead pushes the oldest out. */
  static constexpr uint64_t WINDOW = 4096;
  static constexpr size_t MAX_BYTES = 8 * 1024 * 1024;
  /** Room before each held packet, for the header with which it goes to the host. */
  static constexpr size_t HEADROOM_BYTES = 64;

  /** Takes packets that are due, in order. The bytes are valid until it returns. */
  using Release = std::function<void(uint8_t* packet, size_t len)>;

  ReorderBuffer() : states_(WINDOW), slots_(WINDOW) {}

  /** Counters from `next` on are waited for; nothing may be held. */
  void start(uint64_t next);
  /** The first counter that is waited for. */
  uint64_t next() const { return next_; }
  bool empty() const { return held_ == 0; }
  /** True if all counters before this one have come or are not waited for any more. */
  bool due(uint64_t counter) const { return counter <= next_; }

  /** The packet of this counter needs no waiting for; `release` what waited for it only. */
  void passed(uint64_t counter, const Release& release);
  /** A copy of the packet, as `hold` takes it. */
  std::unique_ptr<uint8_t[]> copy(const uint8_t* packet, size_t len);
  /** Keeps a packet of `len` bytes that is not due. */
  void hold(uint64_t counter, std::unique_ptr<uint8_t[]> bytes, size_t len, uint64_t now, const Release& release);
  /** Releases what has waited for `hold_ns`, and everything behind it that is complete. */
  void expire(uint64_t now, uint64_t hold_ns, const Release& release);
  void flush(const Release& release);
  /** Since when the gap in front is waited for; not when empty. */
  uint64_t oldest_ns() const { return oldest_ns_; }

 private:
  enum class State : uint8_t { absent, passed, held };
  struct Slot {
    uint32_t len = 0;
    uint64_t since_ns = 0;
    std::unique_ptr<uint8_t[]> bytes;
  };
  static constexpr size_t SPARE_BYTES = 2048;

  State& state(uint64_t counter) { return states_[counter % WINDOW]; }
  Slot& slot(uint64_t counter) { return slots_[counter % WINDOW]; }
  void make_room(uint64_t counter, const Release& release);
  void release_first(const Release& release);
  void skip_to(uint64_t counter);
  void step(const Release& release);
  void advance(const Release& release);
  void note_first();
  void give_back(std::unique_ptr<uint8_t[]> bytes, size_t len);

  /** Apart from the packets: a peer can make us look at all of them with every packet. */
  std::vector<State> states_;  // bounded: WINDOW
  std::vector<Slot> slots_;    // bounded: WINDOW, MAX_BYTES
  std::vector<std::unique_ptr<uint8_t[]>> spare_;  // bounded: WINDOW
  uint64_t next_ = 0;
  /** Greatest counter seen, plus one. */
  uint64_t end_ = 0;
  size_t held_ = 0;
  size_t bytes_ = 0;
  /** The held packet with the least counter. */
  uint64_t first_held_ = 0;
  uint64_t oldest_ns_ = 0;
};

}  // namespace asterism
