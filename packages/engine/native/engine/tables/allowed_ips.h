// Longest-prefix table from inner addresses to peers: two path-compressed binary tries.
//
// One thread writes; the data threads look up without locks. A change becomes visible by the store of one
// pointer; unlinked nodes are retired to `Epochs`.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/epochs.h"
#include "packet/ip.h"

namespace asterism {

struct Peer;

struct Prefix {
  IpAddress address;
  uint8_t length;
};

class AllowedIps {
 public:
  explicit AllowedIps(Epochs& epochs) : epochs_(epochs) {}
  ~AllowedIps();
  AllowedIps(const AllowedIps&) = delete;
  AllowedIps& operator=(const AllowedIps&) = delete;

  /** The peer of the longest prefix that contains the address, or null. */
  Peer* lookup_v4(const uint8_t address[4]) const { return lookup(v4_, address, 32); }
  Peer* lookup_v6(const uint8_t address[16]) const { return lookup(v6_, address, 128); }

  /** Gives the prefix to the peer; its former owner, if any, loses it. Bits behind the length are ignored. */
  void insert(const Prefix& prefix, Peer* peer);
  /** Removes the prefix if the peer owns it. */
  void remove(const Prefix& prefix, const Peer* peer);

  /** Changes with every insert and remove: a remembered look-up is valid while this stays the same. */
  uint32_t version() const { return version_.load(std::memory_order_acquire); }

 private:
  struct Node {
    uint8_t key[16];
    uint8_t length;
    std::atomic<Peer*> peer{nullptr};
    std::atomic<Node*> child[2]{};
  };

  static Peer* lookup(const std::atomic<Node*>& root, const uint8_t* address, unsigned bits);
  static Node* new_node(const uint8_t key[16], unsigned length, Peer* peer);
  static void destroy(Node* node);
  std::atomic<Node*>& root(bool v6) { return v6 ? v6_ : v4_; }
  void splice(std::atomic<Node*>& link);

  Epochs& epochs_;
  // bounded: two nodes at most per prefix that TypeScript has written
  std::atomic<Node*> v4_{nullptr};
  std::atomic<Node*> v6_{nullptr};
  std::atomic<uint32_t> version_{0};
};

}  // namespace asterism
