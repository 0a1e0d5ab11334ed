// Deferred reclamation: what a data thread may still be reading is freed only after that thread has
// passed a quiescent point (quiescent-state-based reclamation).
//
// A data thread is `online` while it reads shared tables and `offline` while it sleeps. A writer first
// unlinks an object, then calls `retire`. The object is freed once every reader has gone offline or come
// online again since; the last reader to go offline frees what is left, so nothing waits for traffic.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

namespace asterism {

class Epochs {
 public:
  static constexpr unsigned MAX_READERS = 16;

  ~Epochs();

  /** A quiescent point: nothing read from the tables before it may be used after it. */
  void online(unsigned reader);
  void offline(unsigned reader);

  template <typename T>
  void retire(T* object) {
    if (object == nullptr) return;
    retire_erased(const_cast<void*>(static_cast<const void*>(object)),
                  [](void* erased) { delete static_cast<T*>(erased); });
  }

  /** Frees whatever no reader can still see. */
  void reclaim();
  size_t retired_count() const { return pending_.load(std::memory_order_relaxed); }

 private:
  using Deleter = void (*)(void*);
  struct Retired {
    void* object;
    Deleter deleter;
    uint64_t tag;
  };
  static constexpr uint64_t OFFLINE = ~uint64_t{0};

  void retire_erased(void* object, Deleter deleter);
  uint64_t oldest_reader() const;

  struct alignas(64) Reader {
    std::atomic<uint64_t> epoch{OFFLINE};
  };
  Reader readers_[MAX_READERS];
  alignas(64) std::atomic<uint64_t> global_{1};
  std::atomic<size_t> pending_{0};
  std::mutex mutex_;
  // bounded: emptied as soon as the slowest data thread finishes its batch
  std::vector<Retired> retired_;
};

}  // namespace asterism
