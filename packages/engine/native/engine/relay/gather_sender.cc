#include "relay/gather_sender.h"

#include <linux/udp.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

namespace asterism {
namespace {

constexpr size_t CONTROL_BYTES = CMSG_SPACE(sizeof(uint16_t));

}  // namespace

void GatherSender::add(Link& link, const UdpAddress& to, const iovec* parts, unsigned count, size_t len) {
  const size_t limit = to.is_v6() ? MAX_PAYLOAD_V6 : MAX_PAYLOAD_V4;
  if (len > limit) return drops_.add(RelayDrop::too_large);
  Message* message = open_message(link, to);
  if (message == nullptr || !fits(*message, count, len)) {
    if (message != nullptr) message->ended = true;
    message = &start(link, to, count, len);
  }
  for (unsigned i = 0; i < count; i++) message->vectors[message->vector_count++] = parts[i];
  message->len += len;
  message->segments++;
  // An empty datagram can't be a segment.
  if (len < message->segment_len || len == 0) message->ended = true;
}

/** The message that another datagram to the same address would join; the newest, so that order is kept. */
GatherSender::Message* GatherSender::open_message(const Link& link, const UdpAddress& to) {
  if (last_ < count_ && messages_[last_].link == &link && messages_[last_].to == to) return &messages_[last_];
  for (unsigned i = count_; i-- > 0;) {
    if (messages_[i].link != &link || !(messages_[i].to == to)) continue;
    last_ = i;
    return &messages_[i];
  }
  return nullptr;
}

bool GatherSender::fits(const Message& message, unsigned parts, size_t len) const {
  const size_t limit = message.to.is_v6() ? MAX_PAYLOAD_V6 : MAX_PAYLOAD_V4;
  return !message.ended && len > 0 && len <= message.segment_len && message.parts == parts &&
         message.segments < message.link->max_segments() && message.len + len <= limit &&
         message.vector_count + parts <= VECTORS;
}

GatherSender::Message& GatherSender::start(Link& link, const UdpAddress& to, unsigned parts, size_t len) {
  if (count_ == MESSAGES) flush();
  last_ = count_++;
  Message& message = messages_[last_];
  message.link = &link;
  message.fd = link.fd(to.is_v6());
  message.to = to;
  message.len = 0;
  message.segment_len = len;
  message.segments = 0;
  message.parts = parts;
  message.vector_count = 0;
  message.ended = false;
  return message;
}

void GatherSender::flush() {
  mmsghdr headers[MESSAGES];
  alignas(cmsghdr) char controls[MESSAGES][CONTROL_BYTES];
  for (unsigned i = 0; i < count_; i++) fill_header(messages_[i], headers[i].msg_hdr, controls[i]);
  for (unsigned i = 0; i < count_;) {
    unsigned run = 1;
    while (i + run < count_ && messages_[i + run].fd == messages_[i].fd) run++;
    const int sent = sendmmsg(messages_[i].fd, headers + i, run, MSG_DONTWAIT);
    if (sent > 0) {
      i += static_cast<unsigned>(sent);
    } else if (errno != EINTR) {
      send_refused(messages_[i], errno);
      i++;
    }
  }
  count_ = 0;
}

void GatherSender::fill_header(Message& message, msghdr& header, void* control) {
  header = msghdr{};
  header.msg_name = message.to.data();
  header.msg_namelen = message.to.len();
  header.msg_iov = message.vectors.data();
  header.msg_iovlen = message.vector_count;
  if (message.segments < 2) return;
  std::memset(control, 0, CONTROL_BYTES);
  header.msg_control = control;
  header.msg_controllen = CONTROL_BYTES;
  cmsghdr* segment = CMSG_FIRSTHDR(&header);
  segment->cmsg_level = IPPROTO_UDP;
  segment->cmsg_type = UDP_SEGMENT;
  segment->cmsg_len = CMSG_LEN(sizeof(uint16_t));
  const auto size = static_cast<uint16_t>(message.segment_len);
  std::memcpy(CMSG_DATA(segment), &size, sizeof size);
}

void GatherSender::send_refused(Message& message, int error) {
  // EMSGSIZE: the path takes less. EINVAL: fewer segments, or a segment above the route's MTU. EIO: no checksum offload.
  const bool retry = message.segments > 1 && (error == EMSGSIZE || error == EINVAL || error == EIO);
  if (!retry) return count_drop(error, message.segments);
  if (error == EINVAL && message.segments > 64) message.link->limit_segments(64);
  if (error == EIO) message.link->limit_segments(1);
  send_singly(message);
}

void GatherSender::send_singly(Message& message) {
  for (unsigned at = 0; at < message.vector_count; at += message.parts) {
    msghdr header{};
    header.msg_name = message.to.data();
    header.msg_namelen = message.to.len();
    header.msg_iov = message.vectors.data() + at;
    header.msg_iovlen = message.parts;
    if (sendmsg(message.fd, &header, MSG_DONTWAIT) < 0) count_drop(errno, 1);
  }
}

void GatherSender::count_drop(int error, unsigned packets) {
  const bool full = error == EAGAIN || error == ENOBUFS;
  drops_.add(full                ? RelayDrop::send_buffer_full
             : error == EMSGSIZE ? RelayDrop::path_mtu
                                 : RelayDrop::send_refused,
             packets);
}

}  // namespace asterism
