#include "multipath/slow_start.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/clock.h"

namespace asterism {
namespace {

/** With less under way, senders don't look. */
constexpr uint32_t MIN_UNDER_WAY_BYTES = 16 * 1'200;
/** Eight samples in a round are looked at. */
constexpr uint32_t ACKS_PER_ROUND = 6;
/** Acknowledgements at shorter intervals make a train. */
constexpr uint64_t MIN_INTERVAL_NS = 3 * NS_PER_MS;
constexpr uint64_t MAX_INTERVAL_NS = 25 * NS_PER_MS;
/** Who has not filled the paths by then has no more to send, or has left slow start. */
constexpr uint64_t MAX_START_NS = 3 * NS_PER_SECOND;

/** True if `a` comes after `b`. */
bool after(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) > 0; }

}  // namespace

void StartingFlows::sent(const FlowPacket& packet) {
  std::atomic<uint64_t>& flow = flows_[packet.hash % flows_.size()];
  const uint64_t known = flow.load(std::memory_order_relaxed);
  const uint32_t next = packet.sequence + static_cast<uint32_t>(packet.payload_len);
  if (known >> 32 == packet.hash && !after(next, static_cast<uint32_t>(known))) return;
  flow.store(uint64_t{packet.hash} << 32 | next, std::memory_order_relaxed);
}

bool StartingFlows::find(uint32_t hash, uint32_t& sequence) const {
  const uint64_t known = flows_[hash % flows_.size()].load(std::memory_order_relaxed);
  sequence = static_cast<uint32_t>(known);
  return known != 0 && known >> 32 == hash;
}

bool AckThinner::keeps(const uint8_t* packet, size_t len, const StartingFlows& flows, uint64_t now) {
  const FlowPacket read = FlowPacket::read_reversed(packet, len);
  if (!read.tcp) return false;
  Flow& flow = flows_[read.hash % flows_.size()];
  if (flow.hash != read.hash) {
    // A place is given away when nothing is kept there.
    if (flow.kept_len == 0) flow = {.hash = read.hash, .acknowledged = read.acknowledged, .passed_at = now, .rested_at = now};
    return false;
  }
  uint32_t sent = 0;
  const bool onward = read.plain_acknowledgement && after(read.acknowledged, flow.acknowledged) &&
                      (flow.kept_len == 0 || after(read.acknowledged, flow.kept_acknowledged));
  if (onward && len <= MAX_PACKET_BYTES && flows.active() && flows.find(read.hash, sent) &&
      !enough(flow, read.acknowledged, sent, now)) {
    std::memcpy(flow.kept.data() + HEADROOM_BYTES, packet, len);
    flow.kept_len = len;
    flow.kept_acknowledged = read.acknowledged;
    return true;
  }
  if (flow.kept_len != 0 && !after(flow.kept_acknowledged, read.acknowledged)) flow.kept_len = 0;
  if (after(read.acknowledged, flow.acknowledged)) {
    flow.acknowledged = read.acknowledged;
    flow.passed_at = now;
  }
  return false;
}

bool AckThinner::enough(Flow& flow, uint32_t acknowledged, uint32_t sent, uint64_t now) {
  const uint32_t under_way = sent - flow.acknowledged;
  const uint64_t elapsed = now - flow.passed_at;
  if (under_way < MIN_UNDER_WAY_BYTES) flow.rested_at = now;
  if (flow.rested_at == now || now - flow.rested_at > MAX_START_NS) return true;
  if (!after(sent, acknowledged) || elapsed >= MAX_INTERVAL_NS) return true;
  return elapsed >= MIN_INTERVAL_NS && acknowledged - flow.acknowledged >= under_way / ACKS_PER_ROUND;
}

uint64_t AckThinner::deadline() const {
  uint64_t at = UINT64_MAX;
  for (const Flow& flow : flows_) {
    if (flow.kept_len != 0) at = std::min(at, flow.passed_at + MAX_INTERVAL_NS);
  }
  return at;
}

uint8_t* AckThinner::take(uint64_t now, size_t& len) {
  for (Flow& flow : flows_) {
    if (flow.kept_len == 0 || now < flow.passed_at + MAX_INTERVAL_NS) continue;
    len = std::exchange(flow.kept_len, 0);
    flow.acknowledged = flow.kept_acknowledged;
    flow.passed_at = now;
    return flow.kept.data() + HEADROOM_BYTES;
  }
  return nullptr;
}

}  // namespace asterism
