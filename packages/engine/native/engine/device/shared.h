// What the control thread, the send thread and the receive thread of one device share.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "base/epochs.h"
#include "device/inbox.h"
#include "device/mailbox.h"
#include "io/link.h"
#include "io/tun.h"
#include "tables/allowed_ips.h"
#include "tables/counters.h"
#include "tables/known_sources.h"
#include "tables/peer.h"
#include "tables/session_table.h"
#include "wire/mac1.h"

namespace asterism {

/** Readers of `Epochs`, and lanes of `AeadKey`; further lanes belong to `Workers`. */
constexpr unsigned SEND_READER = 0;
constexpr unsigned RECEIVE_READER = 1;

constexpr unsigned MAX_LINKS = 1024;
constexpr unsigned MAX_PEERS = 65536;

class LinkTable {
 public:
  Link* find(LinkId id) const {
    Link* link = slots_[id % MAX_LINKS].load(std::memory_order_acquire);
    return link != nullptr && link->id == id ? link : nullptr;
  }
  std::array<std::atomic<Link*>, MAX_LINKS>& slots() { return slots_; }

 private:
  std::array<std::atomic<Link*>, MAX_LINKS> slots_{};
};

class PeerTable {
 public:
  PeerTable() : slots_(new std::atomic<Peer*>[MAX_PEERS]()) {}
  Peer* find(PeerId id) const { return id < MAX_PEERS ? slots_[id].load(std::memory_order_acquire) : nullptr; }
  Peer* find(PeerId id, uint32_t generation) const {
    Peer* peer = find(id);
    return peer != nullptr && peer->generation == generation ? peer : nullptr;
  }
  void set(PeerId id, Peer* peer) { slots_[id].store(peer, std::memory_order_release); }

 private:
  std::unique_ptr<std::atomic<Peer*>[]> slots_;
};

struct DeviceState {
  DeviceState(const uint8_t public_key[32], std::function<void()> wake)
      : mac1(public_key), mailbox(std::move(wake)), allowed_ips(epochs), counters(new DeviceCounters()) {}

  Tun tun;
  uint32_t mtu_bytes = 0;
  uint16_t ping_identifier = 0;
  const Mac1 mac1;
  std::atomic<bool> stopping{false};

  Epochs epochs;
  Mailbox mailbox;
  Inbox inbox;
  AllowedIps allowed_ips;
  LinkTable links;
  KnownSources known_sources;
  PeerTable peers;
  SessionTable sessions;
  /** Serialises changes of any peer's current, previous and next session and of the session table. */
  std::mutex session_mutex;
  std::shared_ptr<DeviceCounters> counters;

  void post(Event&& event) {
    if (!mailbox.push(std::move(event))) counters->drop(Drop::events_full);
  }
  /** The device can't go on. */
  void fail(std::string message) {
    Event event{.kind = EventKind::failed};
    event.message = std::move(message);
    mailbox.push(std::move(event));
  }
};


}  // namespace asterism
