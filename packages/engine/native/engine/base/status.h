// Results of commands. The numbers are part of the binding's ABI: src/errors.ts lists them in the same order.
#pragma once

#include <cstdint>

namespace asterism {

enum class Status : int32_t {
  ok = 0,
  closed = 1,
  invalid_argument = 2,
  unknown_peer = 3,
  unknown_link = 4,
  index_in_use = 5,
  too_many_peers = 6,
  too_many_links = 7,
  too_many_paths = 8,
  no_permission = 9,
  no_tun_device = 10,
  interface_name_taken = 11,
  port_in_use = 12,
  address_not_available = 13,
  no_such_interface = 14,
  crypto_unavailable = 15,
  busy = 16,
  unknown_session = 17,
  system_error = 18,
};

}  // namespace asterism
