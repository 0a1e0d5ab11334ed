#include <doctest/doctest.h>

#include <vector>

#include "base/bytes.h"
#include "random.h"
#include "wire/demux.h"

using namespace asterism;
using namespace asterism::test;

namespace {

std::vector<uint8_t> message(uint8_t type, size_t len) {
  std::vector<uint8_t> bytes(len);
  bytes[0] = type;
  return bytes;
}

std::vector<uint8_t> stun(size_t attributes) {
  std::vector<uint8_t> bytes(20 + attributes);
  bytes[1] = 1;
  store_be16(bytes.data() + 2, static_cast<uint16_t>(attributes));
  store_be32(bytes.data() + 4, 0x2112A442);
  return bytes;
}

std::vector<uint8_t> in_channel(const std::vector<uint8_t>& inner, uint16_t channel = 0x4001) {
  std::vector<uint8_t> bytes(4);
  store_be16(bytes.data(), channel);
  store_be16(bytes.data() + 2, static_cast<uint16_t>(inner.size()));
  bytes.insert(bytes.end(), inner.begin(), inner.end());
  return bytes;
}

DatagramKind kind(std::vector<uint8_t> bytes) { return demultiplex(bytes.data(), bytes.size()).kind; }

}  // namespace

TEST_CASE("the first bytes tell what a datagram is") {
  CHECK(kind(message(1, 148)) == DatagramKind::handshake);
  CHECK(kind(message(2, 92)) == DatagramKind::handshake);
  CHECK(kind(message(3, 64)) == DatagramKind::cookie_reply);
  CHECK(kind(message(4, 32)) == DatagramKind::transport);
  CHECK(kind(message(4, 1452)) == DatagramKind::transport);
  CHECK(kind(stun(0)) == DatagramKind::stun);
  CHECK(kind(stun(44)) == DatagramKind::stun);
}

TEST_CASE("wrong lengths and reserved bytes are told") {
  CHECK(kind(message(1, 147)) == DatagramKind::malformed);
  CHECK(kind(message(2, 148)) == DatagramKind::malformed);
  CHECK(kind(message(4, 31)) == DatagramKind::malformed);
  CHECK(kind(message(5, 100)) == DatagramKind::unknown);
  CHECK(kind({}) == DatagramKind::unknown);
  CHECK(kind({4, 0, 0}) == DatagramKind::unknown);
  auto reserved = message(4, 64);
  reserved[2] = 1;
  CHECK(kind(reserved) == DatagramKind::unknown);
  auto short_stun = stun(8);
  short_stun.pop_back();
  CHECK(kind(short_stun) == DatagramKind::unknown);
}

TEST_CASE("an initiation whose index looks like the STUN cookie is still an initiation") {
  auto initiation = message(1, 148);
  store_be32(initiation.data() + 4, 0x2112A442);
  CHECK(kind(initiation) == DatagramKind::handshake);
}

TEST_CASE("ChannelData is looked into, once") {
  auto wrapped = in_channel(message(4, 80), 0x4FFF);
  const Datagram datagram = demultiplex(wrapped.data(), wrapped.size());
  CHECK(datagram.kind == DatagramKind::transport);
  CHECK(datagram.channel == 0x4FFF);
  CHECK(datagram.data == wrapped.data() + 4);
  CHECK(datagram.len == 80);
  CHECK(kind(in_channel(stun(4))) == DatagramKind::stun);
  CHECK(kind(in_channel(in_channel(message(4, 80)))) == DatagramKind::unknown);
  auto padded = in_channel(message(3, 64));
  padded.resize(padded.size() + 3);
  CHECK(demultiplex(padded.data(), padded.size()).len == 64);
  padded.resize(40);
  CHECK(kind(padded) == DatagramKind::malformed);
  CHECK(kind({0x40, 0, 0}) == DatagramKind::malformed);
}
