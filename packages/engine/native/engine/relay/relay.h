// The forwarding half of a TURN server (RFC 8656): listening sockets, allocations with their relayed sockets, and the
// threads that forward between them. It answers nothing by itself: requests go up, TypeScript writes the tables.
//
// All methods are for one control thread. None waits for traffic except `close`, which joins the data threads.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "device/device.h"
#include "relay/forwarder.h"
#include "relay/worker.h"

namespace asterism {

constexpr unsigned MAX_WORKERS = 8;

struct RelayOptions {
  /** Data threads, up to MAX_WORKERS; 0: one per core that this process may use. */
  unsigned threads = 0;
  RequestLimits limits;
};

struct AllocationOptions {
  /** False: a stream carries the client; what peers send goes up. */
  bool udp_client = true;
  ClientKey client;
  /** Numeric local addresses with ports, empty for none of the family. */
  std::string ipv4;
  uint16_t ipv4_port = 0;
  std::string ipv6;
  uint16_t ipv6_port = 0;
  /** Allocations with the same number share a quota. */
  uint32_t user = 0;
  /** Of the user, in each direction; 0: unlimited. */
  uint64_t user_bytes_per_second = 0;
  uint64_t expires_at_ns = 0;
};

class Relay {
 public:
  /** `wake` is called from data threads when events wait; it must not block. */
  static Status open(const RelayOptions& options, std::function<void()> wake, std::unique_ptr<Relay>& relay);
  ~Relay();

  Status open_listener(const LinkOptions& options, const RelayListener*& listener, Failure& failure);
  /** Its allocations must be closed before. */
  Status close_listener(uint32_t id);

  Status open_allocation(const AllocationOptions& options, uint32_t& id, Failure& failure);
  Status close_allocation(uint32_t id);
  Status set_expiry(uint32_t id, uint64_t expires_at_ns);
  /** The port of `peer` does not matter. An `expires_at_ns` of 0 takes the permission back. */
  Status set_permission(uint32_t id, const UdpAddress& peer, bool relayed_only, uint64_t expires_at_ns);
  Status set_channel(uint32_t id, uint16_t number, const UdpAddress& peer, uint64_t expires_at_ns);

  /** Sends to a client as it is; errors count as drops. */
  Status reply(uint32_t listener, const UdpAddress& to, const uint8_t* data, size_t len);
  /** Whole ChannelData frames and Send indications, one behind the other, of a client behind a stream. */
  Status send_frames(uint32_t id, const uint8_t* data, size_t len);

  std::vector<RelayEvent> drain_events() { return state_.mailbox.drain(); }
  std::shared_ptr<RelayDrops> drops() const { return state_.drops; }
  /** Counters of the allocations at places [64 index, 64 index + 64). */
  std::shared_ptr<AllocationCounterChunk> counter_chunk(uint32_t index) const;

 private:
  Relay(const RelayOptions& options, std::function<void()> wake, uint64_t seed);
  bool start();
  Status open_ingresses(const LinkOptions& options, RelayListener& listener, Failure& failure) const;
  bool watch(const RelayListener& listener);
  /** The worker of the relayed sockets. */
  RelayWorker& worker_of(uint32_t allocation) { return *workers_[allocation % workers_.size()]; }
  Status open_relayed(const std::string& ipv4, const std::string& ipv6, uint16_t port, std::unique_ptr<Link>& link,
                      Failure& failure) const;
  Status reserve_place(uint32_t& place);
  Status insert(std::unique_ptr<Allocation> allocation, const ClientKey& client);
  void release_place(uint32_t place) { free_places_.push_back(place); }
  std::shared_ptr<UserQuota> quota_of(uint32_t user, uint64_t bytes_per_second);

  RelayState state_;
  RequestLimiters limiters_;
  Forwarder stream_forwarder_;
  std::vector<std::unique_ptr<RelayWorker>> workers_;                  // bounded: MAX_WORKERS
  std::vector<uint32_t> generations_;                                  // bounded: MAX_ALLOCATIONS
  std::vector<uint32_t> free_places_;                                  // bounded: MAX_ALLOCATIONS
  std::vector<std::shared_ptr<AllocationCounterChunk>> chunks_;        // bounded: MAX_ALLOCATIONS / 64
  std::unordered_map<uint32_t, std::shared_ptr<UserQuota>> quotas_;    // bounded: users with allocations
};

}  // namespace asterism
