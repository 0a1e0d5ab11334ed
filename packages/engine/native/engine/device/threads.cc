#include "device/threads.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"

namespace asterism {
namespace {

// epoll data: a link id and family, or one of these.
constexpr uint64_t TUN_READY = ~uint64_t{0};
constexpr uint64_t INBOX_READY = ~uint64_t{1};
constexpr uint64_t STOP_READY = ~uint64_t{2};

constexpr int EPOLL_BATCH = 16;

/** Milliseconds until then, for epoll_wait. */
int wait_ms(uint64_t deadline) {
  if (deadline == UINT64_MAX) return -1;
  const uint64_t now = now_ns();
  return deadline <= now ? 0 : static_cast<int>(std::min<uint64_t>((deadline - now + NS_PER_MS - 1) / NS_PER_MS, 60'000));
}

bool add(int poll_fd, int fd, uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  return epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

DataThreads::DataThreads(DeviceState& state)
    : state_(state), sender_(state, workers_), receiver_(state, workers_), receive_poll_(epoll_create1(EPOLL_CLOEXEC)) {}

bool DataThreads::prepare(bool single) {
  if (!single) send_poll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  stop_event_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const int send_poll = single ? receive_poll_.get() : send_poll_.get();
  return add(send_poll, state_.tun.fd(), TUN_READY) && add(send_poll, state_.inbox.fd(), INBOX_READY) &&
         add(receive_poll_.get(), stop_event_.get(), STOP_READY);
}

bool DataThreads::start(unsigned threads, unsigned workers) {
  const bool single = threads == 1;
  if (!prepare(single)) return false;
  // Signals belong to the host program's threads: these inherit an all-blocked mask.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = workers_.start(workers);
  if (!started) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return false;
  }
  if (single) {
    started = spawn("ast-io", [](void* self) -> void* { return static_cast<DataThreads*>(self)->run_single(), nullptr; });
  } else {
    started = spawn("ast-tx", [](void* self) -> void* { return static_cast<DataThreads*>(self)->run_send(), nullptr; }) &&
              spawn("ast-rx", [](void* self) -> void* { return static_cast<DataThreads*>(self)->run_receive(), nullptr; });
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

bool DataThreads::spawn(const char* name, void* (*entry)(void*)) {
  if (pthread_create(&threads_[started_], nullptr, entry, this) != 0) return false;
  pthread_setname_np(threads_[started_], name);
  started_++;
  return true;
}

void DataThreads::stop() {
  state_.stopping.store(true, std::memory_order_release);
  state_.inbox.wake();
  const uint64_t one = 1;
  if (stop_event_) {
    [[maybe_unused]] const ssize_t put = ::write(stop_event_.get(), &one, sizeof one);
  }
  for (unsigned i = 0; i < started_; i++) pthread_join(threads_[i], nullptr);
  started_ = 0;
  workers_.stop();
}

bool DataThreads::watch(const Link& link) {
  for (const bool v6 : {false, true}) {
    if (link.fd(v6) >= 0 && !add(receive_poll_.get(), link.fd(v6), uint64_t{link.id} << 1 | v6)) return false;
  }
  return true;
}

void DataThreads::unwatch(const Link& link) {
  for (const bool v6 : {false, true}) {
    if (link.fd(v6) >= 0) epoll_ctl(receive_poll_.get(), EPOLL_CTL_DEL, link.fd(v6), nullptr);
  }
}

/** A deleted interface stays readable for ever. */
void DataThreads::unwatch_tun(int poll_fd) { epoll_ctl(poll_fd, EPOLL_CTL_DEL, state_.tun.fd(), nullptr); }

void DataThreads::run_send() {
  epoll_event events[EPOLL_BATCH];
  while (!state_.stopping.load(std::memory_order_acquire)) {
    state_.epochs.online(SEND_READER);
    const bool more = sender_.step();
    if (sender_.failed()) unwatch_tun(send_poll_.get());
    if (more) continue;
    state_.epochs.offline(SEND_READER);
    // The step may have consumed the wake-up that came with the order to stop.
    if (state_.stopping.load(std::memory_order_acquire)) break;
    epoll_wait(send_poll_.get(), events, EPOLL_BATCH, wait_ms(sender_.deadline()));
  }
  state_.epochs.offline(SEND_READER);
}

void DataThreads::run_receive() {
  epoll_event events[EPOLL_BATCH];
  while (!state_.stopping.load(std::memory_order_acquire)) {
    const int count = epoll_wait(receive_poll_.get(), events, EPOLL_BATCH, wait_ms(receiver_.deadline()));
    state_.epochs.online(RECEIVE_READER);
    bool send_ready = false;
    handle_events(count, events, send_ready);
    receiver_.serve();
    state_.epochs.offline(RECEIVE_READER);
  }
}

void DataThreads::run_single() {
  epoll_event events[EPOLL_BATCH];
  bool more = false;
  while (!state_.stopping.load(std::memory_order_acquire)) {
    const int timeout = more ? 0 : wait_ms(std::min(sender_.deadline(), receiver_.deadline()));
    const int count = epoll_wait(receive_poll_.get(), events, EPOLL_BATCH, timeout);
    state_.epochs.online(RECEIVE_READER);
    bool send_ready = more || sender_.deadline() <= now_ns();
    handle_events(count, events, send_ready);
    receiver_.serve();
    more = send_ready && sender_.step();
    if (sender_.failed()) unwatch_tun(receive_poll_.get());
    state_.epochs.offline(RECEIVE_READER);
  }
}

void DataThreads::handle_events(int count, const epoll_event* events, bool& send_ready) {
  for (int i = 0; i < count; i++) {
    const uint64_t tag = events[i].data.u64;
    if (tag == TUN_READY || tag == INBOX_READY) {
      send_ready = true;
      continue;
    }
    if (tag == STOP_READY) continue;
    Link* link = state_.links.find(static_cast<LinkId>(tag >> 1));
    if (link != nullptr) receiver_.receive(*link, (tag & 1) != 0);
  }
}

}  // namespace asterism
