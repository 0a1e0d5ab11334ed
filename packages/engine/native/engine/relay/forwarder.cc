#include "relay/forwarder.h"

#include <netinet/in.h>

#include <cerrno>

#include "base/bytes.h"
#include "wire/demux.h"

namespace asterism {
namespace {

const uint8_t NO_BYTES[4] = {};

iovec piece(const void* data, size_t len) { return {const_cast<void*>(data), len}; }

void set_dont_fragment(int fd, bool v6, bool on) {
  const int mode = on ? (v6 ? IPV6_PMTUDISC_DO : IP_PMTUDISC_DO) : (v6 ? IPV6_PMTUDISC_DONT : IP_PMTUDISC_DONT);
  setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &mode, sizeof mode);
}

}  // namespace

Forwarder::Forwarder(RelayState& state, unsigned worker, uint64_t seed)
    : state_(state), worker_(worker), sender_(*state.drops), headers_(HEADER_ARENA_BYTES), random_(seed | 1) {}

void Forwarder::flush() {
  sender_.flush();
  headers_used_ = 0;
}

void Forwarder::begin_client(Allocation& allocation) {
  allocation_ = &allocation;
  alive_ = now_ < allocation.expires_at_ns;
  channel_number_ = 0;
  channel_ = nullptr;
}

void Forwarder::from_client(const TurnDatagram& datagram) {
  if (!alive_) return state_.drop(RelayDrop::expired);
  if (datagram.kind == TurnKind::channel_data) return from_channel(datagram);
  from_send_indication(datagram);
}

void Forwarder::from_channel(const TurnDatagram& datagram) {
  if (channel_number_ != datagram.channel) {
    channel_number_ = datagram.channel;
    channel_ = allocation_->channel(datagram.channel, now_);
    permitted_ = channel_ != nullptr && state_.tables.permits(*allocation_, channel_->peer, now_);
  }
  if (channel_ == nullptr) return state_.drop(RelayDrop::no_channel);
  if (!permitted_) return state_.drop(RelayDrop::no_permission);
  if (!to_peer(channel_->peer, datagram.len)) return;
  const iovec part = piece(datagram.data, datagram.len);
  sender_.add(*allocation_->relayed[channel_->peer.is_v6()], channel_->peer, &part, 1, datagram.len);
}

void Forwarder::from_send_indication(const TurnDatagram& datagram) {
  SendIndication indication;
  if (!parse_send_indication(datagram.data, datagram.len, indication)) return state_.drop(RelayDrop::malformed_datagram);
  if (!state_.tables.permits(*allocation_, indication.peer, now_)) return state_.drop(RelayDrop::no_permission);
  if (!to_peer(indication.peer, indication.len)) return;
  Link& link = *allocation_->relayed[indication.peer.is_v6()];
  if (indication.dont_fragment) return send_unfragmented(link, indication.peer, indication.data, indication.len);
  const iovec part = piece(indication.data, indication.len);
  sender_.add(link, indication.peer, &part, 1, indication.len);
}

/** Whether it may go, by family and limits; counts it then. */
bool Forwarder::to_peer(const UdpAddress& peer, size_t len) {
  if (allocation_->relayed[peer.is_v6()] == nullptr) return state_.drop(RelayDrop::no_family), false;
  if (!allocation_->quota->to_peers.take(len, now_)) return state_.drop(RelayDrop::user_limit), false;
  RelayListener* listener = allocation_->listener;
  if (listener != nullptr && !listener->ingress(worker_).shares.take(allocation_->id, len)) {
    return state_.drop(RelayDrop::unfair_share), false;
  }
  AllocationCounters& counters = *allocation_->counters;
  add(counters.to_peer_packets, 1);
  add(counters.to_peer_bytes, len);
  set(counters.last_to_peer_at, now_);
  return true;
}

void Forwarder::send_unfragmented(Link& link, const UdpAddress& peer, const uint8_t* data, size_t len) {
  flush();
  const bool v6 = peer.is_v6();
  const int fd = link.fd(v6);
  set_dont_fragment(fd, v6, true);
  if (sendto(fd, data, len, MSG_DONTWAIT, peer.data(), peer.len()) < 0) {
    state_.drop(errno == EMSGSIZE ? RelayDrop::path_mtu : RelayDrop::send_refused);
  }
  set_dont_fragment(fd, v6, false);
}

void Forwarder::begin_peer(Allocation& allocation, const UdpAddress& peer) {
  allocation_ = &allocation;
  alive_ = now_ < allocation.expires_at_ns;
  peer_ = peer;
  permitted_ = state_.tables.permits(allocation, peer, now_);
  channel_ = allocation.channel_to(peer, now_);
}

void Forwarder::from_peer(const uint8_t* data, size_t len) {
  if (!alive_) return state_.drop(RelayDrop::expired);
  if (!permitted_) return state_.drop(RelayDrop::no_permission);
  if (!allocation_->quota->to_clients.take(len, now_)) return state_.drop(RelayDrop::user_limit);
  iovec parts[GatherSender::MAX_PARTS];
  size_t total = 0;
  const unsigned count = wrap(data, len, parts, total);
  if (allocation_->listener != nullptr) {
    sender_.add(allocation_->listener->ingress(worker_).link, allocation_->client, parts, count, total);
  } else if (!state_.mailbox.push_frame(allocation_->id, parts, count, total)) {
    return state_.drop(RelayDrop::queue_full);
  }
  AllocationCounters& counters = *allocation_->counters;
  add(counters.to_client_packets, 1);
  add(counters.to_client_bytes, len);
  set(counters.last_to_client_at, now_);
}

unsigned Forwarder::wrap(const uint8_t* data, size_t len, iovec parts[GatherSender::MAX_PARTS], size_t& total) {
  const bool stream = allocation_->listener == nullptr;
  const size_t padding = padding_of(len);
  size_t header_len = CHANNEL_HEADER_BYTES;
  bool padded = stream;
  uint8_t* header = header_room(DATA_INDICATION_MAX_HEADER_BYTES);
  if (channel_ != nullptr) {
    store_be16(header, channel_->number);
    store_be16(header + 2, static_cast<uint16_t>(len));
  } else {
    uint8_t id[12];
    next_transaction_id(id);
    header_len = write_data_indication_header(header, peer_, len, id);
    padded = true;
  }
  headers_used_ += header_len;
  parts[0] = piece(header, header_len);
  parts[1] = piece(data, len);
  total = header_len + len;
  if (!padded) return 2;
  parts[2] = piece(NO_BYTES, padding);
  total += padding;
  return 3;
}

uint8_t* Forwarder::header_room(size_t len) {
  if (headers_used_ + len > headers_.size()) flush();
  return headers_.data() + headers_used_;
}

/** Indications are not answered: their ids need not be unpredictable. */
void Forwarder::next_transaction_id(uint8_t id[12]) {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  store_raw(id, random_);
  store_raw(id + 8, static_cast<uint32_t>(random_ >> 20) ^ 0x5bd1e995u);
}

}  // namespace asterism
