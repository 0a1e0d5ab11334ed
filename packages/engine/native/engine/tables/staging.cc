#include "tables/staging.h"

#include <algorithm>
#include <cstring>

namespace asterism {
namespace {

/** A frame costs at least this much of the budget, so that tiny packets can't outgrow it. */
constexpr size_t FRAME_OVERHEAD_BYTES = 64;

size_t cost(size_t len) { return len + FRAME_OVERHEAD_BYTES; }

}  // namespace

StagingQueue::~StagingQueue() {
  while (pop() != nullptr) continue;
}

std::unique_ptr<StagedFrame> StagingQueue::pop() {
  std::unique_ptr<StagedFrame> frame = std::move(head_);
  if (frame == nullptr) return frame;
  head_ = std::move(frame->next);
  count_--;
  bytes_ -= cost(frame->len);
  owner_->bytes_ -= cost(frame->len);
  if (head_ == nullptr) {
    tail_ = nullptr;
    owner_->forget(*this);
  }
  return frame;
}

size_t Staging::push(StagingQueue& queue, const uint8_t* frame, size_t len) {
  size_t dropped = 0;
  while (!queue.empty() && (queue.bytes_ + cost(len) > PEER_BYTES || queue.count_ >= PEER_FRAMES)) {
    queue.pop();
    dropped++;
  }
  while (bytes_ + cost(len) > TOTAL_BYTES) {
    fullest()->pop();
    dropped++;
  }
  auto staged = std::make_unique<StagedFrame>();
  staged->bytes.reset(new uint8_t[len]);
  std::memcpy(staged->bytes.get(), frame, len);
  staged->len = len;
  StagedFrame* added = staged.get();
  if (queue.head_ == nullptr) {
    queue.owner_ = this;
    queue.head_ = std::move(staged);
    holding_.push_back(&queue);
  } else {
    queue.tail_->next = std::move(staged);
  }
  queue.tail_ = added;
  queue.count_++;
  queue.bytes_ += cost(len);
  bytes_ += cost(len);
  return dropped;
}

StagingQueue* Staging::fullest() const {
  return *std::max_element(holding_.begin(), holding_.end(),
                           [](const StagingQueue* a, const StagingQueue* b) { return a->bytes_ < b->bytes_; });
}

void Staging::forget(StagingQueue& queue) { std::erase(holding_, &queue); }

}  // namespace asterism
