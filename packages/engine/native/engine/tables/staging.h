// Packets that wait for a session: a bounded queue per peer within a bounded total per device.
//
// A full queue loses its oldest packet. When the total is used up, the peer that holds most loses its
// oldest, so one busy peer without a session can't push out the packets of the others.
// Owned by the send thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace asterism {

/** A frame (VnetHeader, then packet) that waits for a session. */
struct StagedFrame {
  std::unique_ptr<StagedFrame> next;
  std::unique_ptr<uint8_t[]> bytes;
  size_t len = 0;
};

class Staging;

class StagingQueue {
 public:
  StagingQueue() = default;
  ~StagingQueue();
  StagingQueue(const StagingQueue&) = delete;
  StagingQueue& operator=(const StagingQueue&) = delete;

  bool empty() const { return head_ == nullptr; }
  size_t bytes() const { return bytes_; }
  size_t count() const { return count_; }
  /** The oldest frame; null if empty. */
  std::unique_ptr<StagedFrame> pop();

 private:
  friend class Staging;

  Staging* owner_ = nullptr;  // set while the queue holds something
  std::unique_ptr<StagedFrame> head_;
  StagedFrame* tail_ = nullptr;
  size_t bytes_ = 0;
  size_t count_ = 0;
};

class Staging {
 public:
  static constexpr size_t PEER_BYTES = 256 * 1024;
  static constexpr size_t PEER_FRAMES = 256;
  static constexpr size_t TOTAL_BYTES = 8 * 1024 * 1024;

  /** Queues a copy of the frame; returns how many older frames (of any peer) were dropped for it. */
  size_t push(StagingQueue& queue, const uint8_t* frame, size_t len);
  size_t bytes() const { return bytes_; }

 private:
  friend class StagingQueue;

  StagingQueue* fullest() const;
  void forget(StagingQueue& queue);

  // bounded: queues that hold something, and their bytes by TOTAL_BYTES
  std::vector<StagingQueue*> holding_;
  size_t bytes_ = 0;
};

}  // namespace asterism
