#include "relay/mailbox.h"

namespace asterism {

bool RelayMailbox::push_request(uint32_t listener, const UdpAddress& from, bool classic, const uint8_t* data, size_t len) {
  bool was_empty;
  {
    const std::lock_guard lock(mutex_);
    const size_t cost = len + EVENT_OVERHEAD_BYTES;
    if (request_bytes_ + cost > REQUEST_BYTES) return false;
    request_bytes_ += cost;
    was_empty = events_.empty();
    RelayEvent& event = events_.emplace_back();
    event.classic = classic;
    event.listener = listener;
    event.from = from;
    event.bytes.assign(data, data + len);
  }
  if (was_empty) wake_();
  return true;
}

bool RelayMailbox::push_frame(uint32_t allocation, const iovec* parts, unsigned count, size_t len) {
  bool was_empty;
  {
    const std::lock_guard lock(mutex_);
    size_t& used = allocation_bytes_[allocation];
    was_empty = events_.empty();
    const bool joins = !was_empty && !events_.back().request && events_.back().allocation == allocation &&
                       events_.back().bytes.size() + len <= EVENT_BYTES;
    const size_t cost = len + (joins ? 0 : EVENT_OVERHEAD_BYTES);
    if (used + cost > ALLOCATION_BYTES || stream_bytes_ + cost > STREAM_BYTES) return false;
    used += cost;
    stream_bytes_ += cost;
    if (!joins) {
      RelayEvent& event = events_.emplace_back();
      event.request = false;
      event.allocation = allocation;
    }
    std::vector<uint8_t>& bytes = events_.back().bytes;
    for (unsigned i = 0; i < count; i++) {
      const auto* data = static_cast<const uint8_t*>(parts[i].iov_base);
      bytes.insert(bytes.end(), data, data + parts[i].iov_len);
    }
  }
  if (was_empty) wake_();
  return true;
}

std::vector<RelayEvent> RelayMailbox::drain() {
  std::vector<RelayEvent> events;
  const std::lock_guard lock(mutex_);
  events.swap(events_);
  request_bytes_ = stream_bytes_ = 0;
  allocation_bytes_.clear();
  return events;
}

}  // namespace asterism
