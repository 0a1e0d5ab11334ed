// The Internet checksum (RFC 1071) over bytes in network order.
#pragma once

#include <cstddef>
#include <cstdint>

namespace asterism {

/** Unfolded sum of the 16-bit words of `data`, as they lie in memory (little-endian), odd byte padded with zero. */
uint64_t checksum_sum(const uint8_t* data, size_t len);

/** Folds a sum to 16 bits, not complemented. Store it as it lies in memory (`store_raw`). */
inline uint16_t checksum_fold(uint64_t sum) {
  sum = (sum & 0xFFFFFFFF) + (sum >> 32);
  sum = (sum & 0xFFFFFFFF) + (sum >> 32);
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

/** Sum of the TCP or UDP pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1) of the IP packet at `ip`. */
uint64_t pseudo_header_sum(const uint8_t* ip, uint8_t protocol, size_t l4_len);

}  // namespace asterism
