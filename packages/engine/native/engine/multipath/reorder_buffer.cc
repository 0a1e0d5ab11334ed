#include "multipath/reorder_buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace asterism {
namespace {

/** Behind each packet: what reads it may look a little further. */
constexpr size_t TAIL_BYTES = 16;

}  // namespace

void ReorderBuffer::start(uint64_t next) {
  skip_to(end_);
  next_ = end_ = next;
}

void ReorderBuffer::passed(uint64_t counter, const Release& release) {
  if (counter < next_) return;
  make_room(counter, release);
  if (counter > next_) {
    state(counter) = State::passed;
    end_ = std::max(end_, counter + 1);
    return;
  }
  next_++;
  end_ = std::max(end_, next_);
  advance(release);
}

std::unique_ptr<uint8_t[]> ReorderBuffer::copy(const uint8_t* packet, size_t len) {
  std::unique_ptr<uint8_t[]> bytes;
  if (HEADROOM_BYTES + len + TAIL_BYTES > SPARE_BYTES) {
    bytes = std::make_unique<uint8_t[]>(HEADROOM_BYTES + len + TAIL_BYTES);
  } else if (spare_.empty()) {
    bytes = std::make_unique<uint8_t[]>(SPARE_BYTES);
  } else {
    bytes = std::move(spare_.back());
    spare_.pop_back();
  }
  std::memcpy(bytes.get() + HEADROOM_BYTES, packet, len);
  return bytes;
}

void ReorderBuffer::hold(uint64_t counter, std::unique_ptr<uint8_t[]> bytes, size_t len, uint64_t now,
                         const Release& release) {
  make_room(counter, release);
  while (held_ > 0 && bytes_ + len > MAX_BYTES) release_first(release);
  if (counter < next_) {
    release(bytes.get() + HEADROOM_BYTES, len);
    return give_back(std::move(bytes), len);
  }
  // One that comes before others that are held inherits their wait: it is the same gap.
  const uint64_t since = held_ > 0 && counter < first_held_ ? oldest_ns_ : now;
  if (held_ == 0 || counter < first_held_) {
    first_held_ = counter;
    oldest_ns_ = since;
  }
  state(counter) = State::held;
  slot(counter) = {static_cast<uint32_t>(len), since, std::move(bytes)};
  held_++;
  bytes_ += len;
  end_ = std::max(end_, counter + 1);
  advance(release);
}

void ReorderBuffer::expire(uint64_t now, uint64_t hold_ns, const Release& release) {
  while (held_ > 0 && oldest_ns_ + hold_ns <= now) {
    release_first(release);
    advance(release);
  }
}

void ReorderBuffer::flush(const Release& release) {
  while (next_ < end_) step(release);
}

/** Makes the counter fall into the window. */
void ReorderBuffer::make_room(uint64_t counter, const Release& release) {
  if (counter < next_ + WINDOW) return;
  const uint64_t next = counter - WINDOW + 1;
  while (held_ > 0 && first_held_ < next) release_first(release);
  skip_to(std::min(next, end_));
  next_ = next;
}

/** The gap before the first held packet is given up. */
void ReorderBuffer::release_first(const Release& release) {
  skip_to(first_held_);
  step(release);
  note_first();
}

/** None is held before the counter. */
void ReorderBuffer::skip_to(uint64_t counter) {
  while (next_ < counter) {
    const uint64_t count = std::min(counter - next_, WINDOW - next_ % WINDOW);
    std::memset(&state(next_), 0, count);
    next_ += count;
  }
}

/** Goes on by one counter, whether it came or not. */
void ReorderBuffer::step(const Release& release) {
  const uint64_t counter = next_++;
  if (std::exchange(state(counter), State::absent) != State::held) return;
  Slot& place = slot(counter);
  held_--;
  bytes_ -= place.len;
  std::unique_ptr<uint8_t[]> bytes = std::move(place.bytes);
  release(bytes.get() + HEADROOM_BYTES, place.len);
  give_back(std::move(bytes), place.len);
}

void ReorderBuffer::give_back(std::unique_ptr<uint8_t[]> bytes, size_t len) {
  const bool common = HEADROOM_BYTES + len + TAIL_BYTES <= SPARE_BYTES;
  if (common && spare_.size() < WINDOW) spare_.push_back(std::move(bytes));
}

void ReorderBuffer::advance(const Release& release) {
  while (next_ < end_ && state(next_) != State::absent) step(release);
  note_first();
}

void ReorderBuffer::note_first() {
  if (held_ == 0 || first_held_ >= next_) return;
  for (uint64_t from = next_;;) {
    const uint64_t count = WINDOW - from % WINDOW;
    const void* found = std::memchr(&state(from), static_cast<int>(State::held), count);
    if (found != nullptr) {
      first_held_ = from + static_cast<uint64_t>(static_cast<const State*>(found) - &state(from));
      oldest_ns_ = slot(first_held_).since_ns;
      return;
    }
    from += count;
  }
}

}  // namespace asterism
