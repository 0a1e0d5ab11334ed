#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "base/epochs.h"
#include "random.h"
#include "tables/allowed_ips.h"
#include "tables/peer.h"
#include "tables/staging.h"

using namespace asterism;
using namespace asterism::test;

namespace {

Prefix random_prefix(Random& random) {
  Prefix prefix{};
  prefix.address.v6 = random.chance(50);
  const unsigned bits = prefix.address.v6 ? 128 : 32;
  // Few distinct bytes, so that prefixes nest and collide.
  for (unsigned i = 0; i < bits / 8; i++) prefix.address.bytes[i] = random.chance(70) ? 10 : static_cast<uint8_t>(random.below(4) * 85);
  prefix.length = static_cast<uint8_t>(random.chance(30) ? bits : random.below(bits + 1));
  for (unsigned bit = prefix.length; bit < 128; bit++) prefix.address.bytes[bit / 8] &= static_cast<uint8_t>(~(0x80u >> bit % 8));
  return prefix;
}

bool contains(const Prefix& prefix, const IpAddress& address) {
  if (prefix.address.v6 != address.v6) return false;
  for (unsigned bit = 0; bit < prefix.length; bit++) {
    if (((prefix.address.bytes[bit / 8] ^ address.bytes[bit / 8]) & (0x80u >> bit % 8)) != 0) return false;
  }
  return true;
}

struct Entry {
  Prefix prefix;
  Peer* peer;
};

/** The model: a list, searched from end to end. */
class LinearTable {
 public:
  void insert(const Prefix& prefix, Peer* peer) {
    remove_any(prefix);
    entries.push_back({prefix, peer});
  }
  void remove(const Prefix& prefix, const Peer* peer) {
    std::erase_if(entries, [&](const Entry& entry) { return entry.peer == peer && same(entry.prefix, prefix); });
  }
  Peer* lookup(const IpAddress& address) const {
    const Entry* best = nullptr;
    for (const Entry& entry : entries) {
      if (contains(entry.prefix, address) && (best == nullptr || entry.prefix.length > best->prefix.length)) best = &entry;
    }
    return best == nullptr ? nullptr : best->peer;
  }
  std::vector<Entry> entries;

 private:
  static bool same(const Prefix& a, const Prefix& b) {
    return a.length == b.length && a.address.v6 == b.address.v6 && std::memcmp(a.address.bytes, b.address.bytes, 16) == 0;
  }
  void remove_any(const Prefix& prefix) {
    std::erase_if(entries, [&](const Entry& entry) { return same(entry.prefix, prefix); });
  }
};

Peer* lookup(const AllowedIps& table, const IpAddress& address) {
  return address.v6 ? table.lookup_v6(address.bytes) : table.lookup_v4(address.bytes);
}

}  // namespace

TEST_CASE("allowed IPs agree with a linear scan") {
  std::vector<Peer> peers(5);
  for (uint64_t seed = 1; seed <= 60; seed++) {
    Random random(seed);
    Epochs epochs;
    AllowedIps table(epochs);
    LinearTable model;
    for (int step = 0; step < 200; step++) {
      Peer* peer = &peers[random.below(peers.size())];
      if (random.chance(60) || model.entries.empty()) {
        const Prefix prefix = random_prefix(random);
        table.insert(prefix, peer);
        model.insert(prefix, peer);
      } else {
        const Entry entry = model.entries[random.below(model.entries.size())];
        const Peer* owner = random.chance(80) ? entry.peer : peer;
        table.remove(entry.prefix, owner);
        model.remove(entry.prefix, owner);
      }
      for (int i = 0; i < 10; i++) {
        const IpAddress address = random_prefix(random).address;
        REQUIRE(lookup(table, address) == model.lookup(address));
      }
    }
  }
}

TEST_CASE("allowed IPs can be looked up while they change") {
  Epochs epochs;
  AllowedIps table(epochs);
  std::vector<Peer> peers(3);
  Prefix fixed{};
  fixed.address.bytes[0] = 200;
  fixed.length = 8;
  table.insert(fixed, &peers[0]);
  std::atomic<bool> done{false};
  std::atomic<unsigned> wrong{0};
  std::thread reader([&] {
    Random random(1);
    while (!done.load()) {
      epochs.online(0);
      for (int i = 0; i < 50; i++) {
        IpAddress address = random_prefix(random).address;
        lookup(table, address);
        address.bytes[0] = 200;
        if (!address.v6 && table.lookup_v4(address.bytes) != &peers[0]) wrong++;
      }
      epochs.offline(0);
    }
  });
  Random random(2);
  std::vector<Entry> held;
  for (int i = 0; i < 4000; i++) {
    Prefix prefix = random_prefix(random);
    prefix.address.bytes[0] &= 127;
    table.insert(prefix, &peers[1 + i % 2]);
    held.push_back({prefix, &peers[1 + i % 2]});
    if (held.size() > 40) {
      const size_t at = random.below(held.size());
      table.remove(held[at].prefix, held[at].peer);
      held.erase(held.begin() + static_cast<long>(at));
    }
  }
  done = true;
  reader.join();
  CHECK(wrong == 0);
  epochs.reclaim();
  CHECK(epochs.retired_count() == 0);
}

TEST_CASE("nothing is freed under a reader, and nothing is kept after it") {
  struct Counted {
    explicit Counted(std::atomic<int>& alive) : alive(alive) { alive++; }
    ~Counted() {
      value = -1;
      alive--;
    }
    std::atomic<int>& alive;
    int value = 7;
  };
  Epochs epochs;
  std::atomic<int> alive{0};
  std::atomic<Counted*> shared{new Counted(alive)};
  std::atomic<bool> done{false};
  std::atomic<int> bad{0};
  std::vector<std::thread> readers;
  for (unsigned id = 0; id < 3; id++) {
    readers.emplace_back([&, id] {
      while (!done.load()) {
        epochs.online(id);
        const Counted* object = shared.load(std::memory_order_acquire);
        for (int i = 0; i < 20; i++) bad += object->value != 7;
        if (id == 0) epochs.offline(id);
      }
      epochs.offline(id);
    });
  }
  for (int i = 0; i < 5000; i++) epochs.retire(shared.exchange(new Counted(alive), std::memory_order_acq_rel));
  done = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(bad == 0);
  CHECK(epochs.retired_count() == 0);
  CHECK(alive == 1);
  delete shared.load();
}

TEST_CASE("a staging queue keeps the newest packets within its bound") {
  Staging staging;
  StagingQueue queue;
  std::vector<uint8_t> frame(60'000);
  size_t dropped = 0;
  for (uint8_t i = 0; i < 20; i++) {
    frame[0] = i;
    dropped += staging.push(queue, frame.data(), frame.size());
  }
  CHECK(queue.bytes() <= Staging::PEER_BYTES);
  CHECK(dropped + queue.count() == 20);
  uint8_t expected = static_cast<uint8_t>(dropped);
  while (const auto staged = queue.pop()) CHECK(staged->bytes[0] == expected++);
  CHECK(expected == 20);
  CHECK(staging.bytes() == 0);
}

TEST_CASE("a staging queue bounds tiny packets by number") {
  Staging staging;
  StagingQueue queue;
  const uint8_t tiny[30] = {};
  for (int i = 0; i < 10'000; i++) staging.push(queue, tiny, sizeof tiny);
  CHECK(queue.count() == Staging::PEER_FRAMES);
}

TEST_CASE("peers that hold much staged make room for those that hold little") {
  Staging staging;
  std::vector<StagingQueue> busy(40);
  StagingQueue quiet;
  std::vector<uint8_t> frame(60'000);
  staging.push(quiet, frame.data(), 1000);
  for (int round = 0; round < 8; round++) {
    for (StagingQueue& queue : busy) staging.push(queue, frame.data(), frame.size());
  }
  CHECK(staging.bytes() <= Staging::TOTAL_BYTES);
  CHECK(quiet.count() == 1);
  for (const StagingQueue& queue : busy) CHECK(queue.count() >= 2);
}
