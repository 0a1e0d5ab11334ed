#include "io/tun.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "packet/virtio_net.h"

namespace asterism {
namespace {

Status open_status(int error) {
  switch (error) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return Status::no_tun_device;
    case EPERM:
    case EACCES:
      return Status::no_permission;
    case EBUSY:
    case EEXIST:
      return Status::interface_name_taken;
    default:
      return Status::system_error;
  }
}

}  // namespace

Status Tun::open(const TunOptions& options, int& error, const char*& what) {
  const auto failed = [&](const char* step) {
    error = errno;
    what = step;
    return open_status(error);
  };
  fd_ = UniqueFd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!fd_) return failed("open /dev/net/tun");
  ifreq request{};
  std::strncpy(request.ifr_name, options.name.c_str(), IFNAMSIZ - 1);
  // Without IFF_TUN_EXCL the kernel would join an existing persistent interface of that name.
  request.ifr_flags = static_cast<short>(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL);
  if (ioctl(fd_.get(), TUNSETIFF, &request) != 0) {
    // An interface of another type under that name is reported as EINVAL.
    if (errno == EINVAL && if_nametoindex(options.name.c_str()) != 0) errno = EBUSY;
    return failed("TUNSETIFF");
  }
  name_ = request.ifr_name;
  index_ = if_nametoindex(name_.c_str());
  if (!set_mtu(options.mtu_bytes)) return failed("set the MTU");
  negotiate_offloads();
  return Status::ok;
}

bool Tun::set_mtu(uint32_t mtu_bytes) {
  const UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!control) return false;
  ifreq request{};
  std::strncpy(request.ifr_name, name_.c_str(), IFNAMSIZ - 1);
  request.ifr_mtu = static_cast<int>(mtu_bytes);
  return ioctl(control.get(), SIOCSIFMTU, &request) == 0;
}

void Tun::negotiate_offloads() {
  constexpr unsigned TSO = OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_TSO6;
  constexpr unsigned USO = OFFLOAD_USO4 | OFFLOAD_USO6;
  if (ioctl(fd_.get(), TUNSETOFFLOAD, TSO | USO) == 0) {
    tso_ = uso_ = true;
  } else if (ioctl(fd_.get(), TUNSETOFFLOAD, TSO) == 0) {
    tso_ = true;
  }
}

}  // namespace asterism
