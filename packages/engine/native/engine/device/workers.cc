#include "device/workers.h"

#include <cstdio>

namespace asterism {
namespace {

/** Rounds of `relax` before a worker without work sleeps: some 20 µs, the time of one task. */
constexpr unsigned SPIN_ROUNDS = 500;

}  // namespace

void TaskLine::publish(Task& task) {
  task.done_.store(false, std::memory_order_relaxed);
  const unsigned at = published_.load(std::memory_order_relaxed);
  tasks_[at % SIZE] = &task;
  published_.store(at + 1, std::memory_order_release);
}

bool TaskLine::run_one(unsigned lane) {
  unsigned at = claimed_.load(std::memory_order_relaxed);
  do {
    if (at == published_.load(std::memory_order_acquire)) return false;
  } while (!claimed_.compare_exchange_weak(at, at + 1, std::memory_order_acq_rel, std::memory_order_relaxed));
  Task* task = tasks_[at % SIZE];
  task->run(lane);
  task->done_.store(true, std::memory_order_release);
  return true;
}

bool Workers::start(unsigned count) {
  for (unsigned i = 0; i < count && i < MAX; i++) {
    starts_[i] = {this, FIRST_LANE + i};
    if (pthread_create(&threads_[i], nullptr, enter, &starts_[i]) != 0) return false;
    char name[16];
    std::snprintf(name, sizeof name, "ast-w%u", i);
    pthread_setname_np(threads_[i], name);
    started_++;
  }
  return true;
}

void Workers::stop() {
  stopping_.store(true, std::memory_order_release);
  signal_.fetch_add(1, std::memory_order_release);
  signal_.notify_all();
  for (unsigned i = 0; i < started_; i++) pthread_join(threads_[i], nullptr);
  started_ = 0;
}

void Workers::publish(TaskLine& line, Task& task) {
  line.publish(task);
  signal_.fetch_add(1, std::memory_order_release);
  signal_.notify_one();
}

void Workers::finish(TaskLine& line, const Task& task, unsigned lane) {
  while (!task.done()) {
    if (!line.run_one(lane)) relax();
  }
}

void* Workers::enter(void* start) {
  const Start& own = *static_cast<Start*>(start);
  own.workers->run(own.lane);
  return nullptr;
}

void Workers::run(unsigned lane) {
  for (;;) {
    // Read first: whatever is signalled from here on keeps this thread from sleeping.
    const unsigned seen = signal_.load(std::memory_order_acquire);
    if (stopping_.load(std::memory_order_acquire)) return;
    if (run_any(lane)) continue;
    unsigned rounds = 0;
    while (rounds < SPIN_ROUNDS && signal_.load(std::memory_order_relaxed) == seen) {
      relax();
      rounds++;
    }
    if (rounds == SPIN_ROUNDS) signal_.wait(seen, std::memory_order_acquire);
  }
}

bool Workers::run_any(unsigned lane) {
  bool ran = false;
  for (TaskLine& line : lines_) ran |= line.run_one(lane);
  return ran;
}

}  // namespace asterism
