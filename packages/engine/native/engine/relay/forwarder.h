// One datagram from client to peer or back: looks it up in the tables, wraps or unwraps it, hands it to a sender.
// Each thread that forwards has its own. The tables must be held for reading from a call until `flush`.
#pragma once

#include <cstdint>
#include <memory>

#include "base/buffer.h"
#include "relay/allocation.h"
#include "relay/drop_reasons.h"
#include "relay/gather_sender.h"
#include "relay/mailbox.h"
#include "wire/turn.h"

namespace asterism {

struct RelayState {
  explicit RelayState(std::function<void()> wake) : mailbox(std::move(wake)), drops(new RelayDrops()) {}

  RelayTables tables;
  RelayMailbox mailbox;
  std::shared_ptr<RelayDrops> drops;

  void drop(RelayDrop reason, uint64_t packets = 1) { drops->add(reason, packets); }
};

class Forwarder {
 public:
  /** `worker`: whose ingresses of listeners it sends from and accounts to. */
  Forwarder(RelayState& state, unsigned worker, uint64_t seed);

  void set_now(uint64_t now) { now_ = now; }

  /** Datagrams of one client follow. */
  void begin_client(Allocation& allocation);
  /** ChannelData or a Send indication of that client. The bytes must stay until `flush`. */
  void from_client(const TurnDatagram& datagram);
  /** Datagrams of one peer to one relayed address follow. */
  void begin_peer(Allocation& allocation, const UdpAddress& peer);
  void from_peer(const uint8_t* data, size_t len);
  /** Sends everything; the receive buffers are free again. */
  void flush();

 private:
  static constexpr size_t HEADER_ARENA_BYTES = 256 * 1024;

  void from_channel(const TurnDatagram& datagram);
  void from_send_indication(const TurnDatagram& datagram);
  bool to_peer(const UdpAddress& peer, size_t len);
  void send_unfragmented(Link& link, const UdpAddress& peer, const uint8_t* data, size_t len);
  uint8_t* header_room(size_t len);
  unsigned wrap(const uint8_t* data, size_t len, iovec parts[GatherSender::MAX_PARTS], size_t& total);
  void next_transaction_id(uint8_t id[12]);

  RelayState& state_;
  const unsigned worker_;
  GatherSender sender_;
  PageBuffer headers_;
  size_t headers_used_ = 0;
  uint64_t random_;
  uint64_t now_ = 0;

  // The current client: what its last datagram found.
  Allocation* allocation_ = nullptr;
  bool alive_ = false;
  uint32_t channel_number_ = 0;
  const Channel* channel_ = nullptr;

  // The current peer.
  UdpAddress peer_;
  bool permitted_ = false;
};

}  // namespace asterism
