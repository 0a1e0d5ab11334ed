// Joins runs of packets of one TCP or UDP flow into super-packets, so that the host takes 64 KiB per write
// (the reverse of `Splitter`; what GRO does for a network card).
//
// Packets are decrypted straight behind the aggregate they are expected to continue, headers overlapping
// its tail; `commit` then only has to put that tail back. Order within a flow is kept; different flows may
// overtake each other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "packet/virtio_net.h"

namespace asterism {

/** Takes finished packets: `frame` is a VnetHeader followed by the packet, `len` bytes together. */
class PacketSink {
 public:
  virtual void write_packet(uint8_t* frame, size_t len) = 0;

 protected:
  ~PacketSink() = default;
};

class Coalescer {
 public:
  /** `udp`: the host takes UDP super-packets. */
  Coalescer(PacketSink& sink, bool udp);

  /**
   * Where to put the next packet of up to `max_len` bytes (at most 65,535 + 16). AEAD headroom before it is
   * writable and must be left as found. Ends with `commit` or `abandon`.
   */
  uint8_t* place(size_t max_len);
  /** The packet at the place is authentic and `len` bytes long (a whole IP packet). */
  void commit(size_t len);
  /** Nothing is to be kept. */
  void abandon();
  /** Takes a packet that lies elsewhere, with room for a VnetHeader before it; no place may be open. */
  void add(uint8_t* packet, size_t len);

  /** Writes out everything that is open. */
  void flush();

 private:
  static constexpr unsigned AGGREGATES = 8;
  static constexpr size_t MAX_PACKET_BYTES = 65535;
  static constexpr size_t HEADROOM_BYTES = 192;
  static constexpr size_t AGGREGATE_BYTES = 68 * 1024;
  static constexpr size_t MAX_SEGMENTS = 128;
  static constexpr unsigned NONE = AGGREGATES;

  /** What decides whether a packet may join; read from its headers. */
  struct Parsed {
    bool flow;       // belongs to a TCP or UDP flow, whose order must be kept
    bool joinable;   // may become part of a super-packet
    bool closes;     // nothing may be joined behind it
    uint8_t protocol;
    uint8_t l4_offset;
    uint8_t header_len;
    size_t payload_len;
  };

  struct Aggregate {
    uint8_t* packet;      // first byte of the first packet's IP header
    size_t len;           // bytes of the whole super-packet so far, 0 if the slot is free
    uint64_t opened;      // for choosing the oldest
    size_t segments;
    size_t segment_len;   // payload of every packet but the last
    uint32_t next_sequence;
    uint16_t next_id;
    uint8_t last_flags;
    Parsed head;
  };

  Parsed parse(const uint8_t* packet, size_t len) const;
  bool checksum_valid(const uint8_t* packet, size_t len, const Parsed& parsed) const;
  unsigned find_flow(const uint8_t* packet, const Parsed& parsed) const;
  bool can_append(const Aggregate& aggregate, const uint8_t* packet, const Parsed& parsed) const;
  bool headers_match(const Aggregate& aggregate, const uint8_t* packet, const Parsed& parsed) const;
  void note_appended(unsigned slot, const uint8_t* packet, const Parsed& parsed);
  void restore_tail();
  void settle(const Parsed& parsed, uint8_t* packet, size_t len, bool in_slot);
  void open_aggregate(unsigned slot, const Parsed& parsed, size_t len);
  void close(unsigned slot);
  void finish_headers(Aggregate& aggregate, VnetHeader& vnet) const;
  void write_single(uint8_t* packet, size_t len);
  unsigned free_slot();

  PacketSink& sink_;
  const bool udp_;
  PageBuffer memory_;
  std::array<Aggregate, AGGREGATES> aggregates_{};
  uint64_t clock_ = 0;
  /** Aggregate that the last packet joined or opened. */
  unsigned last_ = NONE;

  // The open place.
  uint8_t* place_ = nullptr;
  unsigned place_slot_ = NONE;
  bool behind_ = false;   // the place overlaps the tail of aggregates_[place_slot_]
  uint8_t saved_tail_[256];
};

}  // namespace asterism
