#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "multipath/bulk_queue.h"
#include "multipath/flows.h"
#include "multipath/messages.h"
#include "multipath/reorder_buffer.h"
#include "multipath/sent_ring.h"
#include "packets.h"
#include "random.h"

using namespace asterism;
using namespace asterism::test;

namespace {

/** What a ReorderBuffer releases: the counters that the packets carry. */
struct Released {
  std::vector<uint64_t> counters;
  ReorderBuffer::Release take = [this](uint8_t* packet, size_t len) {
    REQUIRE(len >= 8);
    uint64_t counter;
    std::memcpy(&counter, packet, sizeof counter);
    counters.push_back(counter);
  };

  bool in_order() const { return std::is_sorted(counters.begin(), counters.end()); }
};

void arrive(ReorderBuffer& buffer, uint64_t counter, uint64_t now, Released& released, size_t len = 100) {
  Bytes packet(len);
  std::memcpy(packet.data(), &counter, sizeof counter);
  if (buffer.due(counter)) {
    released.counters.push_back(counter);
    return buffer.passed(counter, released.take);
  }
  buffer.hold(counter, buffer.copy(packet.data(), len), len, now, released.take);
}

FlowPacket flow_of(const Bytes& packet) { return FlowPacket::read(packet.data(), packet.size()); }

}  // namespace

TEST_CASE("multipath messages survive the padding, and lies about their length are refused") {
  MultipathReport report;
  report.session_index = 0x01020304;
  report.greatest = 1000;
  report.clock_ns = 5'000'000'000;
  report.paths[report.path_count++] = {1000, 5'000'000'000 - 3'000};
  report.paths[report.path_count++] = {900, 5'000'000'000 - 250'000};
  report.first_word = 14;
  report.word_count = 2;
  report.words = {0xF0F0, 7};
  uint8_t bytes[MultipathReport::MAX_BYTES + 16] = {};
  const size_t len = report.write(bytes);
  CHECK(len == 32 + 2 * 8 + 2 * 8);
  MultipathReport read;
  REQUIRE(read.read(bytes, len + 15));
  CHECK(read.session_index == report.session_index);
  CHECK(read.greatest == 1000);
  CHECK(read.paths[1].counter == 900);
  CHECK(read.paths[1].at_ns == 5'000'000'000 - 250'000);
  CHECK(read.words[0] == 0xF0F0);
  for (size_t cut = 0; cut < len; cut++) CHECK_FALSE(read.read(bytes, cut));
  bytes[3] = 200;
  CHECK_FALSE(read.read(bytes, sizeof bytes));

  MultipathRequest request{.round = 9, .hold_us = 77'000}, again;
  REQUIRE(request.write(bytes) == MultipathRequest::BYTES);
  REQUIRE(again.read(bytes, 16));
  CHECK(again.round == 9);
  CHECK(again.hold_us == 77'000);
  CHECK_FALSE(read.read(bytes, 16));
}

TEST_CASE("what a report says lies within what it may speak of") {
  Random random(3);
  unsigned accepted = 0;
  for (int i = 0; i < 20'000; i++) {
    Bytes bytes(random.below(MultipathReport::MAX_BYTES + 32));
    for (uint8_t& byte : bytes) byte = random.chance(70) ? 0 : static_cast<uint8_t>(random.next());
    if (bytes.size() > 2) bytes[0] = 1, bytes[1] = 0x12;
    MultipathReport report;
    if (!report.read(bytes.data(), bytes.size())) continue;
    accepted++;
    REQUIRE(report.path_count <= MultipathReport::MAX_PATHS);
    REQUIRE(report.word_count <= MultipathReport::MAX_WORDS);
    for (unsigned k = 0; k < report.path_count; k++) REQUIRE(report.paths[k].counter <= report.greatest);
    REQUIRE((report.first_word + report.word_count) <= report.greatest / 64 + 1);
  }
  CHECK(accepted > 100);
}

TEST_CASE("packets in order are never held") {
  ReorderBuffer buffer;
  Released released;
  buffer.start(40);
  for (uint64_t counter = 40; counter < 20'000; counter++) arrive(buffer, counter, counter, released);
  CHECK(released.counters.size() == 19'960);
  CHECK(buffer.empty());
}

TEST_CASE("order is restored whatever the paths did to it") {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    Random random(seed);
    ReorderBuffer buffer;
    Released released;
    buffer.start(0);
    std::vector<std::pair<uint64_t, uint64_t>> arrivals;
    for (uint64_t counter = 0; counter < 5'000; counter++) arrivals.push_back({counter * 10 + random.below(8'000), counter});
    std::sort(arrivals.begin(), arrivals.end());
    for (const auto& [at, counter] : arrivals) arrive(buffer, counter, at, released);
    REQUIRE(released.counters.size() == 5'000);
    REQUIRE(released.in_order());
    REQUIRE(buffer.empty());
  }
}

TEST_CASE("a gap is waited for as long as told, and counted from when it showed") {
  ReorderBuffer buffer;
  Released released;
  buffer.start(0);
  arrive(buffer, 0, 0, released);
  arrive(buffer, 3, 100, released);   // 1 and 2 are missing since 100
  arrive(buffer, 2, 5'000, released);  // 1 still is
  CHECK(buffer.oldest_ns() == 100);
  buffer.expire(1'099, 1'000, released.take);
  CHECK(released.counters.size() == 1);
  buffer.expire(1'100, 1'000, released.take);
  CHECK(released.counters == std::vector<uint64_t>{0, 2, 3});
  // Too late, but a packet all the same.
  arrive(buffer, 1, 1'200, released);
  CHECK(released.counters.back() == 1);
  CHECK(buffer.empty());
}

TEST_CASE("a gap wider than the window pushes out what is held") {
  ReorderBuffer buffer;
  Released released;
  buffer.start(0);
  arrive(buffer, 5, 0, released);
  arrive(buffer, 6, 0, released);
  arrive(buffer, 1'000'000, 0, released);
  CHECK(released.counters == std::vector<uint64_t>{5, 6});
  CHECK(buffer.next() == 1'000'000 - ReorderBuffer::WINDOW + 1);
  arrive(buffer, 1'000'000 + ReorderBuffer::WINDOW, 0, released);
  CHECK(released.counters.back() == 1'000'000);
  buffer.flush(released.take);
  CHECK(released.counters.size() == 4);
  CHECK(released.in_order());
}

TEST_CASE("whatever jumps, stays out and comes late, each packet is released once, and in order unless it was too late") {
  for (uint64_t seed = 1; seed <= 30; seed++) {
    Random random(seed);
    ReorderBuffer buffer;
    Released released;
    buffer.start(0);
    std::set<uint64_t> arrived;
    std::vector<uint64_t> late;
    uint64_t front = 0, now = 0;
    for (int i = 0; i < 3'000; i++) {
      front += random.chance(2) ? random.below(3 * ReorderBuffer::WINDOW) : random.below(4);
      const uint64_t back = random.chance(40) ? random.below(random.chance(5) ? 2 * ReorderBuffer::WINDOW : 60) : 0;
      const uint64_t counter = front - std::min(front, back);
      if (!arrived.insert(counter).second) continue;
      if (counter < buffer.next()) late.push_back(counter);
      const size_t before = released.counters.size();
      arrive(buffer, counter, now += 10, released);
      if (random.chance(10)) buffer.expire(now, random.below(2'000), released.take);
      // What waits keeps the least counter in front, and nobody has waited for longer than it.
      if (!buffer.empty()) REQUIRE(buffer.oldest_ns() <= now);
      if (released.counters.size() == before) REQUIRE_FALSE(buffer.empty());
    }
    buffer.flush(released.take);
    REQUIRE(buffer.empty());
    REQUIRE(std::set(released.counters.begin(), released.counters.end()) == arrived);
    REQUIRE(released.counters.size() == arrived.size());
    std::erase_if(released.counters, [&](uint64_t counter) { return std::find(late.begin(), late.end(), counter) != late.end(); });
    REQUIRE(released.in_order());
  }
}

TEST_CASE("held packets are bounded in bytes") {
  ReorderBuffer buffer;
  Released released;
  buffer.start(0);
  constexpr size_t LARGE = 60'000;
  for (uint64_t counter = 1; counter <= 1'000; counter++) arrive(buffer, counter, 0, released, LARGE);
  CHECK((1'000 - released.counters.size()) * LARGE <= ReorderBuffer::MAX_BYTES);
  buffer.flush(released.take);
  CHECK(released.counters.size() == 1'000);
  CHECK(released.in_order());
}

TEST_CASE("waiting packets come out as they went in") {
  BulkQueue queue;
  Random random(5);
  std::deque<Bytes> model;
  for (int i = 0; i < 60'000; i++) {
    if (random.chance(model.size() > 4'000 ? 30 : 60)) {
      Bytes packet(1 + random.below(random.chance(1) ? 60'000 : 1'500), static_cast<uint8_t>(i));
      if (queue.push(packet.data(), packet.size())) model.push_back(packet);
    } else if (!queue.empty()) {
      size_t len;
      uint8_t* packet = queue.front(len);
      REQUIRE(len == model.front().size());
      REQUIRE(std::memcmp(packet, model.front().data(), len) == 0);
      // As sealing does: what lies before and behind is borrowed.
      std::memset(packet + len, 0xEE, 16);
      queue.pop();
      model.pop_front();
    }
    REQUIRE(queue.empty() == model.empty());
  }
}

TEST_CASE("a waiting queue that is full takes nothing, and everything again once it is empty") {
  BulkQueue queue;
  const Bytes packet(1'400, 1);
  size_t taken = 0;
  while (queue.push(packet.data(), packet.size())) taken++;
  CHECK(taken * packet.size() > BulkQueue::CAPACITY_BYTES * 3 / 4);
  CHECK(queue.bytes() == taken * packet.size());
  for (size_t i = 0; i < taken; i++) queue.pop();
  CHECK(queue.empty());
  CHECK(queue.bytes() == 0);
  CHECK(queue.push(packet.data(), packet.size()));
}

TEST_CASE("sealed packets are kept until newer ones need the room") {
  SentRing ring;
  Bytes message(1'500);
  uint64_t kept = 0;
  for (uint64_t counter = 0; counter < 6'000; counter++) {
    std::memcpy(message.data(), &counter, sizeof counter);
    ring.keep(ring.add(counter, message.size()), message.data(), counter * 1'000, 0);
  }
  for (uint64_t counter = 0; counter < 6'000; counter++) {
    const SentPacket* packet = ring.find(counter);
    REQUIRE(packet != nullptr);
    const uint8_t* sealed = ring.sealed(*packet);
    if (sealed == nullptr) continue;
    REQUIRE(std::memcmp(sealed, &counter, sizeof counter) == 0);
    kept++;
  }
  CHECK(kept * 1'500 > SentRing::SEALED_BYTES * 9 / 10);
  CHECK(ring.find(6'000) == nullptr);
  ring.add(SentRing::COUNTERS, message.size());
  CHECK(ring.find(0) == nullptr);
}

TEST_CASE("sealed packets are kept only where they would stay long enough") {
  SentRing ring;
  const Bytes message(1'400);
  uint64_t counter = 0, now = NS_PER_SECOND;
  const auto kept_of = [&](unsigned packets, uint64_t interval_ns) {
    unsigned kept = 0;
    for (unsigned i = 0; i < packets; i++) {
      SentPacket& packet = ring.add(counter++, message.size());
      ring.keep(packet, message.data(), now += interval_ns, 20 * NS_PER_MS);
      kept += ring.sealed(packet) != nullptr;
    }
    return kept;
  };
  const unsigned turn = SentRing::SEALED_BYTES / 1'400 + 1;
  // As fast as in 10 ms around, after a turn that nobody knew.
  CHECK(kept_of(3 * turn, 10 * NS_PER_MS / turn) < 2 * turn);
  CHECK(kept_of(2 * turn, 10 * NS_PER_MS / turn) == 0);
  // A sender that pauses, or slows down, is known as slow after that time.
  CHECK(kept_of(turn, 100 * NS_PER_MS / turn) > turn * 7 / 10);
  CHECK(kept_of(2 * turn, 100 * NS_PER_MS / turn) == 2 * turn);
}

TEST_CASE("a flow is small until it moves much, and again when it has rested") {
  FlowRates rates;
  const FlowPacket bulk = flow_of(make_packet({.payload = 1'300}));
  const FlowPacket other = flow_of(make_packet({.payload = 1'300, .source_port = 40'001}));
  uint64_t now = NS_PER_SECOND;
  unsigned small = 0;
  for (int i = 0; i < 1'000; i++) small += rates.small(bulk, now += NS_PER_MS);
  CHECK(small > 5);
  CHECK(small < 30);
  // A flow of one packet each tenth of a second stays small all along.
  for (int i = 0; i < 100; i++) CHECK(rates.small(other, now += 100 * NS_PER_MS));
  CHECK(rates.small(bulk, now + NS_PER_SECOND));
  for (int i = 0; i < 100; i++) rates.small(bulk, now);
  CHECK_FALSE(rates.small(bulk, now));
  const FlowPacket acknowledgement = flow_of(make_packet({.payload = 0}));
  CHECK(rates.small(acknowledgement, now));
  const FlowPacket voice = flow_of(make_packet({.payload = 1'300, .tos = 46 << 2}));
  CHECK(rates.small(voice, now));
}

TEST_CASE("only the very next packet of a TCP flow may overtake") {
  FlowPositions positions;
  const FlowPacket first = flow_of(make_packet({.payload = 100, .sequence = 1'000}));
  const FlowPacket second = flow_of(make_packet({.payload = 100, .sequence = 1'100}));
  const FlowPacket third = flow_of(make_packet({.payload = 100, .sequence = 1'200}));
  CHECK(positions.place(first) == FlowPositions::Place::unknown);
  positions.delivered(first);
  CHECK(positions.place(second) == FlowPositions::Place::in_order);
  CHECK(positions.place(third) == FlowPositions::Place::other);
  CHECK(positions.place(first) == FlowPositions::Place::other);
  CHECK(positions.place(flow_of(make_packet({.payload = 0, .sequence = 1'100}))) == FlowPositions::Place::in_order);
  CHECK(positions.place(flow_of(make_packet({.protocol = PROTOCOL_UDP}))) == FlowPositions::Place::unknown);
  const FlowPacket six = flow_of(make_packet({.v6 = true, .payload = 100, .sequence = 5}));
  CHECK(six.tcp);
  CHECK(six.payload_len == 100);
}
