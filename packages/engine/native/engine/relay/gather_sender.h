// Datagrams on their way out of the relay, gathered so that the kernel takes each run to one address as one
// UDP_SEGMENT message. Payloads stay where they were received: a message is a list of pieces of the receive
// buffers and of headers, so nothing is copied here. Everything must be flushed before the buffers are used again.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstdint>

#include "io/link.h"
#include "relay/drop_reasons.h"
#include "tables/path.h"

namespace asterism {

class GatherSender {
 public:
  explicit GatherSender(RelayDrops& drops) : drops_(drops) {}

  /** One datagram of `len` bytes in `count` parts (1–MAX_PARTS), the same number for all that go one way. */
  void add(Link& link, const UdpAddress& to, const iovec* parts, unsigned count, size_t len);
  void flush();

  static constexpr unsigned MAX_PARTS = 3;

 private:
  static constexpr unsigned MESSAGES = 32;
  static constexpr unsigned VECTORS = 256;
  static constexpr size_t MAX_PAYLOAD_V4 = 65507;
  static constexpr size_t MAX_PAYLOAD_V6 = 65487;

  struct Message {
    Link* link;
    int fd;
    UdpAddress to;
    size_t len;
    size_t segment_len;
    unsigned segments;
    unsigned parts;
    unsigned vector_count;
    bool ended;
    std::array<iovec, VECTORS> vectors;
  };

  Message* open_message(const Link& link, const UdpAddress& to);
  bool fits(const Message& message, unsigned parts, size_t len) const;
  Message& start(Link& link, const UdpAddress& to, unsigned parts, size_t len);
  void fill_header(Message& message, msghdr& header, void* control);
  void send_refused(Message& message, int error);
  void send_singly(Message& message);
  void count_drop(int error, unsigned packets);

  RelayDrops& drops_;
  std::array<Message, MESSAGES> messages_;
  unsigned count_ = 0;
  unsigned last_ = 0;
};

}  // namespace asterism
