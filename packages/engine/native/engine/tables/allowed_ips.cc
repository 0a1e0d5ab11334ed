#include "tables/allowed_ips.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace asterism {
namespace {

inline unsigned bit_at(const uint8_t* key, unsigned index) { return (key[index / 8] >> (7 - index % 8)) & 1; }

/** Length of the common prefix of two keys, at most `limit` bits. */
unsigned common_bits(const uint8_t* a, const uint8_t* b, unsigned limit) {
  for (unsigned byte = 0; byte * 8 < limit; byte++) {
    const unsigned difference = a[byte] ^ b[byte];
    if (difference != 0) {
      const unsigned leading = static_cast<unsigned>(__builtin_clz(difference)) - 24;
      return std::min(limit, byte * 8 + leading);
    }
  }
  return limit;
}

}  // namespace

AllowedIps::~AllowedIps() {
  destroy(v4_.load(std::memory_order_relaxed));
  destroy(v6_.load(std::memory_order_relaxed));
}

void AllowedIps::destroy(Node* node) {
  if (node == nullptr) return;
  destroy(node->child[0].load(std::memory_order_relaxed));
  destroy(node->child[1].load(std::memory_order_relaxed));
  delete node;
}

Peer* AllowedIps::lookup(const std::atomic<Node*>& root, const uint8_t* address, unsigned bits) {
  Peer* found = nullptr;
  const Node* node = root.load(std::memory_order_acquire);
  while (node != nullptr && common_bits(node->key, address, node->length) == node->length) {
    if (Peer* peer = node->peer.load(std::memory_order_acquire)) found = peer;
    if (node->length == bits) break;
    node = node->child[bit_at(address, node->length)].load(std::memory_order_acquire);
  }
  return found;
}

AllowedIps::Node* AllowedIps::new_node(const uint8_t key[16], unsigned length, Peer* peer) {
  Node* node = new Node;
  std::memcpy(node->key, key, sizeof node->key);
  node->length = static_cast<uint8_t>(length);
  node->peer.store(peer, std::memory_order_relaxed);
  return node;
}

void AllowedIps::insert(const Prefix& prefix, Peer* peer) {
  const uint8_t* key = prefix.address.bytes;
  const unsigned length = prefix.length;
  std::atomic<Node*>* link = &root(prefix.address.v6);
  Node* node = link->load(std::memory_order_relaxed);
  unsigned common = 0;
  while (node != nullptr) {
    common = common_bits(node->key, key, std::min<unsigned>(node->length, length));
    if (common < node->length || node->length == length) break;
    link = &node->child[bit_at(key, node->length)];
    node = link->load(std::memory_order_relaxed);
  }
  if (node == nullptr) {
    link->store(new_node(key, length, peer), std::memory_order_release);
  } else if (common == node->length && node->length == length) {
    node->peer.store(peer, std::memory_order_release);
  } else if (common == length) {
    // The new prefix contains the node.
    Node* parent = new_node(key, length, peer);
    parent->child[bit_at(node->key, length)].store(node, std::memory_order_relaxed);
    link->store(parent, std::memory_order_release);
  } else {
    Node* fork = new_node(key, common, nullptr);
    fork->child[bit_at(key, common)].store(new_node(key, length, peer), std::memory_order_relaxed);
    fork->child[bit_at(node->key, common)].store(node, std::memory_order_relaxed);
    link->store(fork, std::memory_order_release);
  }
  version_.fetch_add(1, std::memory_order_release);
}

void AllowedIps::remove(const Prefix& prefix, const Peer* peer) {
  const uint8_t* key = prefix.address.bytes;
  std::atomic<Node*>* parent_link = nullptr;
  std::atomic<Node*>* link = &root(prefix.address.v6);
  Node* node = link->load(std::memory_order_relaxed);
  while (node != nullptr && node->length < prefix.length) {
    parent_link = link;
    link = &node->child[bit_at(key, node->length)];
    node = link->load(std::memory_order_relaxed);
  }
  if (node == nullptr || node->length != prefix.length) return;
  if (common_bits(node->key, key, prefix.length) != prefix.length) return;
  if (node->peer.load(std::memory_order_relaxed) != peer) return;
  node->peer.store(nullptr, std::memory_order_release);
  splice(*link);
  if (parent_link != nullptr) splice(*parent_link);
  version_.fetch_add(1, std::memory_order_release);
}

/** Takes the node at `link` out if it carries no peer and does not fork. */
void AllowedIps::splice(std::atomic<Node*>& link) {
  Node* node = link.load(std::memory_order_relaxed);
  if (node == nullptr || node->peer.load(std::memory_order_relaxed) != nullptr) return;
  Node* left = node->child[0].load(std::memory_order_relaxed);
  Node* right = node->child[1].load(std::memory_order_relaxed);
  if (left != nullptr && right != nullptr) return;
  link.store(left != nullptr ? left : right, std::memory_order_release);
  epochs_.retire(node);
}

}  // namespace asterism
