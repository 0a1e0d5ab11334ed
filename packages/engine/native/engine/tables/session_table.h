// Sessions by our receiver index, for lock-free look-up by the receive thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "tables/session.h"

namespace asterism {

/** Writers hold the device's session mutex; a removed session must be retired to `Epochs`. */
class SessionTable {
 public:
  Session* find(uint32_t local_index) const {
    Session* session = buckets_[local_index % BUCKETS].load(std::memory_order_acquire);
    while (session != nullptr && session->local_index != local_index) {
      session = session->bucket_next.load(std::memory_order_acquire);
    }
    return session;
  }

  void insert(Session* session) {
    std::atomic<Session*>& head = buckets_[session->local_index % BUCKETS];
    session->bucket_next.store(head.load(std::memory_order_relaxed), std::memory_order_relaxed);
    head.store(session, std::memory_order_release);
  }

  void remove(Session* session) {
    std::atomic<Session*>* link = &buckets_[session->local_index % BUCKETS];
    while (Session* at = link->load(std::memory_order_relaxed)) {
      if (at == session) {
        link->store(session->bucket_next.load(std::memory_order_relaxed), std::memory_order_release);
        return;
      }
      link = &at->bucket_next;
    }
  }

 private:
  // Indices are random, so their low bits are a hash. bounded: three sessions per peer.
  static constexpr unsigned BUCKETS = 4096;
  std::array<std::atomic<Session*>, BUCKETS> buckets_{};
};

}  // namespace asterism
