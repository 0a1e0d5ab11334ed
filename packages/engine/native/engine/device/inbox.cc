#include "device/inbox.h"

#include <unistd.h>

namespace asterism {

Inbox::~Inbox() {
  for (const Command& command : commands_) delete command.peer;
}

bool Inbox::push(Command&& command) {
  bool was_empty;
  {
    const std::lock_guard lock(mutex_);
    const bool full = commands_.size() >= MAX_COMMANDS || bytes_ + command.bytes.size() > MAX_BYTES;
    if (full && command.kind != CommandKind::forget_peer) return false;
    was_empty = commands_.empty();
    bytes_ += command.bytes.size();
    commands_.push_back(std::move(command));
  }
  if (was_empty) wake();
  return true;
}

std::vector<Command> Inbox::drain() {
  uint64_t count;
  [[maybe_unused]] const ssize_t got = ::read(event_.get(), &count, sizeof count);
  std::vector<Command> commands;
  const std::lock_guard lock(mutex_);
  commands.swap(commands_);
  bytes_ = 0;
  return commands;
}

void Inbox::wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = ::write(event_.get(), &one, sizeof one);
}

}  // namespace asterism
