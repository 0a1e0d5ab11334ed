// The relay's table: allocations with their clients, relayed sockets, permissions and channels (RFC 8656 §6).
//
// The control thread writes it with the lock held for writing; data threads read it with the lock held for
// reading, a batch at a time. The control thread may read without the lock.
#pragma once

#include <pthread.h>

#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "io/link.h"
#include "relay/limits.h"
#include "tables/counters.h"
#include "tables/path.h"

namespace asterism {

constexpr uint32_t MAX_ALLOCATIONS = 65536;
constexpr uint32_t MAX_LISTENERS = 64;
constexpr size_t MAX_PERMISSIONS = 1024;
constexpr size_t MAX_CHANNELS = 1024;
constexpr unsigned ALLOCATIONS_PER_CHUNK = 64;
constexpr unsigned ALLOCATION_WORDS = 8;

/** Each direction is written by one worker: that of the client's ingress, that of the relayed sockets. */
struct alignas(64) AllocationCounters {
  Counter to_peer_packets, to_peer_bytes, to_client_packets, to_client_bytes, last_to_peer_at, last_to_client_at;
  Counter reserved[2];
};
static_assert(sizeof(AllocationCounters) == ALLOCATION_WORDS * 8);

struct AllocationCounterChunk {
  AllocationCounters allocations[ALLOCATIONS_PER_CHUNK];
};

struct AddressHash {
  size_t operator()(const UdpAddress& address) const { return hash_address(address, 0x9E3779B97F4A7C15); }
};

/** Where a client is: which listening socket its datagrams came to, and from where. */
struct ClientKey {
  uint32_t listener = 0;
  UdpAddress address;
  bool operator==(const ClientKey& other) const { return listener == other.listener && address == other.address; }
};

struct ClientKeyHash {
  size_t operator()(const ClientKey& key) const { return hash_address(key.address, key.listener + 1); }
};

struct Channel {
  uint16_t number = 0;
  UdpAddress peer;
  uint64_t expires_at_ns = 0;
};

/** One worker's sockets of a listener. */
struct Ingress {
  Link link;
  /** Belongs to the worker. */
  FairShare shares;
};

/** All ingresses have the same address and port: a client's datagrams always come to the same one. */
struct RelayListener {
  uint32_t id = 0;
  std::vector<std::unique_ptr<Ingress>> ingresses;  // bounded: workers; at least one

  /** Which one does not matter for sending. */
  Ingress& ingress(unsigned worker) const { return *ingresses[worker % ingresses.size()]; }
};

struct Permission {
  uint64_t expires_at_ns = 0;
  /** The peer's address is one of this machine: only relayed addresses of allocations may be reached at it. */
  bool relayed_only = false;
};

struct Allocation {
  uint32_t id = 0;
  /** The client's listener; null if a stream carries it. */
  RelayListener* listener = nullptr;
  UdpAddress client;
  /** The relayed addresses' sockets: IPv4, IPv6; one of them may be missing. */
  std::unique_ptr<Link> relayed[2];
  uint64_t expires_at_ns = 0;
  std::shared_ptr<UserQuota> quota;
  uint32_t user = 0;
  /** By peer address with port 0. */
  std::unordered_map<UdpAddress, Permission, AddressHash> permissions;  // bounded: MAX_PERMISSIONS
  std::unordered_map<UdpAddress, Channel, AddressHash> channels;      // bounded: MAX_CHANNELS
  std::unordered_map<uint16_t, UdpAddress> channel_peers;             // bounded: MAX_CHANNELS
  AllocationCounters* counters = nullptr;

  const Permission* permission(const UdpAddress& peer, uint64_t now) const {
    UdpAddress key = peer;
    key.v4.sin_port = 0;
    const auto found = permissions.find(key);
    return found == permissions.end() || now >= found->second.expires_at_ns ? nullptr : &found->second;
  }
  const Channel* channel(uint16_t number, uint64_t now) const {
    const auto peer = channel_peers.find(number);
    return peer == channel_peers.end() ? nullptr : channel_to(peer->second, now);
  }
  const Channel* channel_to(const UdpAddress& peer, uint64_t now) const {
    const auto found = channels.find(peer);
    return found == channels.end() || now >= found->second.expires_at_ns ? nullptr : &found->second;
  }
};

/** Readers are data threads; a waiting writer goes first, so that traffic can't keep the tables from changing. */
class TableLock {
 public:
  TableLock();
  ~TableLock() { pthread_rwlock_destroy(&lock_); }
  TableLock(const TableLock&) = delete;
  TableLock& operator=(const TableLock&) = delete;

  class Reading {
   public:
    explicit Reading(TableLock& lock) : lock_(lock) { pthread_rwlock_rdlock(&lock_.lock_); }
    ~Reading() { pthread_rwlock_unlock(&lock_.lock_); }

   private:
    TableLock& lock_;
  };
  class Writing {
   public:
    explicit Writing(TableLock& lock) : lock_(lock) { pthread_rwlock_wrlock(&lock_.lock_); }
    ~Writing() { pthread_rwlock_unlock(&lock_.lock_); }

   private:
    TableLock& lock_;
  };

 private:
  pthread_rwlock_t lock_;
};

struct RelayTables {
  TableLock lock;
  std::vector<std::unique_ptr<RelayListener>> listeners;   // bounded: MAX_LISTENERS; index is id
  /** Place: id modulo MAX_ALLOCATIONS. An id returns only after 65,536 others in its place. */
  std::vector<std::unique_ptr<Allocation>> allocations;    // bounded: MAX_ALLOCATIONS
  std::unordered_set<UdpAddress, AddressHash> relayed;     // bounded: 2 MAX_ALLOCATIONS
  std::unordered_map<ClientKey, Allocation*, ClientKeyHash> by_client;  // bounded: MAX_ALLOCATIONS

  RelayListener* listener(uint32_t id) const { return id < listeners.size() ? listeners[id].get() : nullptr; }
  Allocation* allocation(uint32_t id) const {
    const uint32_t place = id % MAX_ALLOCATIONS;
    Allocation* allocation = place < allocations.size() ? allocations[place].get() : nullptr;
    return allocation != nullptr && allocation->id == id ? allocation : nullptr;
  }
  /** Whether the allocation may send to and hear from the peer. */
  bool permits(const Allocation& allocation, const UdpAddress& peer, uint64_t now) const {
    const Permission* permission = allocation.permission(peer, now);
    return permission != nullptr && (!permission->relayed_only || relayed.contains(peer));
  }
};

}  // namespace asterism
