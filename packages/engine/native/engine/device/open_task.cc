#include "device/open_task.h"

namespace asterism {

void OpenTask::run(unsigned lane) {
  for (size_t i = 0; i < count; i++) {
    Packet& packet = packets[i];
    packet.authentic = packet.session->receive.open(lane, packet.counter, packet.sealed, packet.len, packet.opened);
  }
}

}  // namespace asterism
