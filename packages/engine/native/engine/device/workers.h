// Helper threads that seal and open for the data threads of one device, where there are cores to spare.
//
// A data thread lays out its work in order on its `TaskLine`, and takes the results in order; in between any
// thread may run the tasks, the data thread itself included. It does not pass a quiescent point before its
// line is empty, so tasks may use what it read from the shared tables.
#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstdint>

namespace asterism {

class Task {
 public:
  /** `lane`: the running thread's lane of every AeadKey. */
  virtual void run(unsigned lane) = 0;

  bool done() const { return done_.load(std::memory_order_acquire); }

 protected:
  ~Task() = default;

 private:
  friend class TaskLine;
  std::atomic<bool> done_{false};
};

/** One data thread's tasks: a ring with one producer, which also takes the results, and many runners. */
class TaskLine {
 public:
  static constexpr unsigned SIZE = 16;

  /** Number of tasks that were published and not yet taken back. */
  unsigned waiting() const { return published_.load(std::memory_order_relaxed) - taken_; }
  bool full() const { return waiting() == SIZE; }

  /** Producer only, not when full. */
  void publish(Task& task);
  /** Producer only: the oldest task, null if there is none. */
  Task* oldest() const { return waiting() == 0 ? nullptr : tasks_[taken_ % SIZE]; }
  /** Producer only: forgets the oldest task, which is done. */
  void take() { taken_++; }

  /** Runs one task if any is unclaimed. Any thread. */
  bool run_one(unsigned lane);

 private:
  std::array<Task*, SIZE> tasks_{};
  unsigned taken_ = 0;
  alignas(64) std::atomic<unsigned> published_{0};
  alignas(64) std::atomic<unsigned> claimed_{0};
};

class Workers {
 public:
  static constexpr unsigned MAX = 6;
  /** Lanes below this belong to the data threads. */
  static constexpr unsigned FIRST_LANE = 2;

  ~Workers() { stop(); }

  bool start(unsigned count);
  void stop();
  unsigned count() const { return started_; }

  TaskLine& send_line() { return lines_[0]; }
  TaskLine& receive_line() { return lines_[1]; }

  void publish(TaskLine& line, Task& task);
  /** Runs tasks of the line, or lets others run them, until this one is done. */
  static void finish(TaskLine& line, const Task& task, unsigned lane);

 private:
  static void* enter(void* start);
  void run(unsigned lane);
  bool run_any(unsigned lane);

  struct Start {
    Workers* workers;
    unsigned lane;
  };
  std::array<TaskLine, 2> lines_;
  std::array<pthread_t, MAX> threads_{};
  std::array<Start, MAX> starts_{};
  unsigned started_ = 0;
  alignas(64) std::atomic<unsigned> signal_{0};
  std::atomic<bool> stopping_{false};
};

/** Tells the core that this is a waiting loop. */
inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace asterism
