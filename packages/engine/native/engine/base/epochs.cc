#include "base/epochs.h"

#include <algorithm>

namespace asterism {

Epochs::~Epochs() {
  for (const Retired& entry : retired_) entry.deleter(entry.object);
}

void Epochs::online(unsigned reader) {
  // The second look makes a retirement that this thread's announcement missed visible to it: either the
  // writer saw the announced epoch, or this thread sees the writer's increment (and so its unlinking).
  uint64_t epoch = global_.load(std::memory_order_seq_cst);
  for (;;) {
    readers_[reader].epoch.store(epoch, std::memory_order_seq_cst);
    const uint64_t again = global_.load(std::memory_order_seq_cst);
    if (again == epoch) return;
    epoch = again;
  }
}

void Epochs::offline(unsigned reader) {
  readers_[reader].epoch.store(OFFLINE, std::memory_order_seq_cst);
  if (pending_.load(std::memory_order_seq_cst) != 0) reclaim();
}

void Epochs::retire_erased(void* object, Deleter deleter) {
  {
    const std::lock_guard lock(mutex_);
    const uint64_t tag = global_.fetch_add(1, std::memory_order_seq_cst);
    retired_.push_back({object, deleter, tag});
    pending_.store(retired_.size(), std::memory_order_seq_cst);
  }
  reclaim();
}

uint64_t Epochs::oldest_reader() const {
  uint64_t oldest = OFFLINE;
  for (const Reader& reader : readers_) oldest = std::min(oldest, reader.epoch.load(std::memory_order_seq_cst));
  return oldest;
}

void Epochs::reclaim() {
  std::vector<Retired> free_now;
  {
    const std::lock_guard lock(mutex_);
    const uint64_t oldest = oldest_reader();
    const auto keep =
        std::partition(retired_.begin(), retired_.end(), [&](const Retired& entry) { return entry.tag >= oldest; });
    free_now.assign(keep, retired_.end());
    retired_.erase(keep, retired_.end());
    pending_.store(retired_.size(), std::memory_order_seq_cst);
  }
  for (const Retired& entry : free_now) entry.deleter(entry.object);
}

}  // namespace asterism
