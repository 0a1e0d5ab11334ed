// Splits a super-packet that the kernel left unsegmented (TSO, USO) into packets that fit the tunnel, and
// completes checksums that the kernel left to the "hardware".
//
// Works in place: packet i is built by writing its headers right before its share of the payload, over
// bytes of packet i − 1. So packets are taken in order, each consumed before the next is asked for.
#pragma once

#include <cstddef>
#include <cstdint>

#include "packet/virtio_net.h"

namespace asterism {

class Splitter {
 public:
  struct Packet {
    uint8_t* data;
    size_t len;
  };

  /** False if header and packet contradict each other; the packet can't be sent then. */
  bool start(const VnetHeader& vnet, uint8_t* packet, size_t len);

  /** The number of packets that `next` gives. */
  size_t count() const { return count_; }
  /** Length of the packet that the call of `next` with this index gives. */
  size_t packet_len(size_t index) const {
    const bool last = index + 1 == count_;
    return header_len_ + (last ? payload_len_ - (count_ - 1) * segment_len_ : segment_len_);
  }

  /** The next packet; call it `count()` times. */
  Packet next();

 private:
  static constexpr size_t MAX_HEADER_BYTES = 256;

  bool start_segmented(const VnetHeader& vnet, size_t len);
  bool complete_checksum(const VnetHeader& vnet, size_t len);
  void write_ip_header(uint8_t* packet, size_t len) const;
  void write_tcp_header(uint8_t* tcp, bool last) const;

  uint8_t* packet_ = nullptr;
  size_t count_ = 0;
  size_t index_ = 0;
  size_t header_len_ = 0;
  size_t l4_offset_ = 0;
  size_t segment_len_ = 0;
  size_t payload_len_ = 0;
  uint8_t protocol_ = 0;
  // The headers of the super-packet; `next` overwrites the originals.
  uint8_t headers_[MAX_HEADER_BYTES];
};

}  // namespace asterism
