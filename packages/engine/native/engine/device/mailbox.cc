#include "device/mailbox.h"

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

std::vector<Event> Mailbox::drain() {
  std::vector<Event> events;
  const std::lock_guard lock(mutex_);
  events.swap(events_);
  datagram_bytes_ = other_bytes_ = 0;
  return events;
}

}  // namespace asterism
