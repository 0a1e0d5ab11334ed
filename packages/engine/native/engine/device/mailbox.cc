#include "device/mailbox.h"

#include <algorithm>

#include "wire/turn.h"

namespace asterism {

bool Mailbox::push(Event&& event) {
  const bool datagram = event.kind == EventKind::datagram;
  const size_t cost = event.bytes.size() + EVENT_OVERHEAD_BYTES;
  bool was_empty;
  {
    const std::lock_guard lock(mutex_);
    size_t& used = datagram ? datagram_bytes_ : other_bytes_;
    if (used + cost > (datagram ? DATAGRAM_BYTES : OTHER_BYTES) && event.kind != EventKind::failed) return false;
    used += cost;
    was_empty = events_.empty();
    events_.push_back(std::move(event));
  }
  if (was_empty) wake_();
  return true;
}

bool Mailbox::push_frames(LinkId link, const iovec* pieces, unsigned count, size_t segment_len) {
  size_t len = 0;
  for (unsigned i = 0; i < count; i++) len += pieces[i].iov_len;
  bool was_empty;
  {
    const std::lock_guard lock(mutex_);
    was_empty = events_.empty();
    const bool joins = !was_empty && events_.back().kind == EventKind::frames && events_.back().from.link == link &&
                       events_.back().bytes.size() + len <= FRAMES_EVENT_BYTES;
    const size_t cost = len + (joins ? 0 : EVENT_OVERHEAD_BYTES);
    if (stream_bytes_ + cost > STREAM_BYTES) return false;
    stream_bytes_ += cost;
    if (!joins) {
      Event& event = events_.emplace_back();
      event.kind = EventKind::frames;
      event.from.link = link;
    }
    std::vector<uint8_t>& bytes = events_.back().bytes;
    for (unsigned i = 0; i < count; i++) {
      const auto* data = static_cast<const uint8_t*>(pieces[i].iov_base);
      for (size_t at = 0; at < pieces[i].iov_len; at += segment_len) {
        const size_t size = std::min(segment_len, pieces[i].iov_len - at);
        bytes.insert(bytes.end(), data + at, data + at + size);
        bytes.resize(bytes.size() + padding_of(size));
      }
    }
  }
  if (was_empty) wake_();
  return true;
}

std::vector<Event> Mailbox::drain() {
  std::vector<Event> events;
  const std::lock_guard lock(mutex_);
  events.swap(events_);
  datagram_bytes_ = other_bytes_ = stream_bytes_ = 0;
  return events;
}

}  // namespace asterism
