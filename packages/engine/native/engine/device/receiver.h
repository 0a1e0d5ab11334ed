// From the peers to the host: receives, opens, checks, coalesces and writes to the TUN; hands control
// datagrams up. Runs on the receive thread alone.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>

#include <memory>
#include <optional>
#include <vector>

#include "base/buffer.h"
#include "base/token_bucket.h"
#include "device/open_task.h"
#include "device/shared.h"
#include "device/workers.h"
#include "packet/coalesce.h"
#include "wire/demux.h"

namespace asterism {

/** Writes finished packets to the host. */
class TunSink final : public PacketSink {
 public:
  explicit TunSink(DeviceState& state) : state_(state) {}
  void write_packet(uint8_t* frame, size_t len) override;

 private:
  DeviceState& state_;
};

class Receiver {
 public:
  /** Has no workers if their count is 0. */
  Receiver(DeviceState& state, Workers& workers);

  /** Takes one batch from the socket; the host has everything of it when this returns, but what waits for its turn. */
  void receive(Link& link, bool v6);
  /** Does what is due for peers that spread their packets: reports, and what has waited long enough. */
  void serve();
  /** When `serve` will have something to do; UINT64_MAX for never. */
  uint64_t deadline() const { return deadline_; }

 private:
  static constexpr unsigned BATCH = 16;
  static constexpr size_t HEADROOM_BYTES = 128;
  static constexpr size_t BUFFER_BYTES = 66 * 1024;

  /** One stretch of packets of one peer and path, counted together. */
  struct Run {
    Peer* peer = nullptr;
    unsigned slot = MAX_PATHS;
    bool relayed = false;
    uint64_t packets = 0;
    uint64_t bytes = 0;
    bool data = false;
  };

  /** Messages of fewer packets are opened at once: handing them over costs more. */
  static constexpr size_t MIN_TASK_PACKETS = 8;

  /** After this many small packets the host's readers get a turn. */
  static constexpr unsigned SMALL_PACKETS_PER_TURN = 128;
  static constexpr size_t SMALL_PACKET_BYTES = 512;

  void give_way();
  static size_t segment_size(msghdr& message, size_t len);
  uint64_t arrival_of(msghdr& message) const;
  void publish_tasks(int count);
  bool fill_task(OpenTask& task, uint8_t* data, size_t len, size_t segment);
  void finish_task(OpenTask& task);
  void set_source(LinkId link, const UdpAddress& remote);
  void set_channel(uint16_t channel);
  void handle_message(msghdr& message, uint8_t* data, size_t len);
  void handle_datagram(const Datagram& datagram);
  void handle_transport(const Datagram& datagram);
  Session* session_for(const Datagram& datagram, uint64_t& counter);
  void note_authentic(Session& session, const uint8_t* packet, size_t len);
  void handle_control(const Datagram& datagram);
  /** True if a whole packet at `packet` is for the host. */
  bool accept_inner(Peer& peer, uint8_t* packet, size_t len, size_t& inner_len);
  bool source_allowed(const Peer& peer, const uint8_t* packet);
  void pass_up_inner(Peer& peer, const uint8_t* packet, size_t len);
  void confirm(Session& session);
  /** The packet goes to the host, at once or in its turn. `inner_len` is 0 if it is not for the host. */
  void deliver(Session& session, uint64_t counter, uint8_t* packet, size_t inner_len, bool in_place, bool data) {
    const Peer& peer = *session.peer;
    // Every packet comes by here, and most peers have one path.
    const bool alone = peer.rx.paths == nullptr && peer.rx.acks == nullptr && !peer.starting.active();
    if (alone) return commit(packet, inner_len, in_place);
    deliver_in_turn(session, counter, packet, inner_len, in_place, data);
  }
  void deliver_in_turn(Session& session, uint64_t counter, uint8_t* packet, size_t inner_len, bool in_place, bool data);
  void commit(uint8_t* packet, size_t inner_len, bool in_place) {
    if (inner_len == 0) {
      if (in_place) coalescer_.abandon();
    } else if (in_place) {
      coalescer_.commit(inner_len);
    } else {
      coalescer_.add(packet, inner_len);
    }
  }
  bool keeps_back(Peer& peer, const uint8_t* packet, size_t inner_len);
  bool follow_session(PathReceiver& paths, Session& session);
  void handle_multipath(Peer& peer, const uint8_t* message, size_t len);
  void serve(Peer& peer);
  void serve(Peer& peer, PathReceiver& paths);
  void serve(AckThinner& acks);
  void count(Peer& peer, size_t bytes, bool data);
  void end_run();
  void note_roaming(Peer& peer, const PathTable* paths);
  void drop(Drop reason) { state_.counters->drop(reason); }

  DeviceState& state_;
  Workers& workers_;
  /** With workers, one per message of a batch. */
  std::array<std::unique_ptr<OpenTask>, BATCH> tasks_;
  std::array<bool, BATCH> published_{};
  PageBuffer memory_;
  std::array<mmsghdr, BATCH> messages_{};
  std::array<iovec, BATCH> vectors_{};
  std::array<UdpAddress, BATCH> addresses_{};
  struct alignas(cmsghdr) Control {
    char bytes[64];
  };
  std::array<Control, BATCH> controls_{};
  TunSink sink_;
  Coalescer coalescer_;
  /** What goes up of each kind, from addresses that we have sent to lately and, apart, from strangers. */
  struct ControlTokens {
    TokenBucket handshake{2000, 1000};
    TokenBucket cookie{200, 100};
    TokenBucket stun{5000, 2500};
  };
  ControlTokens known_tokens_;
  ControlTokens stranger_tokens_;

  struct Spreading {
    PeerId id;
    uint32_t generation;
  };
  /** Peers with `rx.paths` or `rx.acks`. */
  std::vector<Spreading> spreading_;  // bounded: by the table of peers
  uint64_t deadline_ = UINT64_MAX;
  /** Whose packets `release_` takes. */
  PathReceiver* releasing_ = nullptr;
  ReorderBuffer::Release release_;

  // The batch at hand.
  uint64_t now_ = 0;
  /** What the clock of messages' stamps is ahead of ours; none of them has one if this is empty. */
  std::optional<uint64_t> stamps_ahead_ns_;
  /** When the message at hand came to the host. */
  uint64_t arrived_at_ = 0;
  PathAddress from_;
  Run run_;
  unsigned small_packets_ = 0;
  /** Last source that was found allowed; valid while the table's version is the same. */
  struct {
    const Peer* peer = nullptr;
    uint32_t version = 0;
    uint8_t first_byte = 0;
    uint8_t address[16]{};
  } allowed_;
};

}  // namespace asterism
