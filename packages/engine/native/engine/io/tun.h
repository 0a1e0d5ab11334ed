// The host's side of the tunnel: a TUN interface with offloads (a TAP takes the same place).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"
#include "base/unique_fd.h"

namespace asterism {

struct TunOptions {
  std::string name;
  uint32_t mtu_bytes = 1420;
};

class Tun {
 public:
  /** On Status::system_error, `error` is the errno and `what` the step that failed. */
  Status open(const TunOptions& options, int& error, const char*& what);

  int fd() const { return fd_.get(); }
  const std::string& name() const { return name_; }
  uint32_t index() const { return index_; }
  bool tso() const { return tso_; }
  bool uso() const { return uso_; }

 private:
  bool set_mtu(uint32_t mtu_bytes);
  void negotiate_offloads();

  UniqueFd fd_;
  std::string name_;
  uint32_t index_ = 0;
  bool tso_ = false;
  bool uso_ = false;
};

}  // namespace asterism
