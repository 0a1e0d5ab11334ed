// mac1 of WireGuard handshake messages (paper §5.4.4): proof that the sender knows our public key.
#pragma once

#include <cstddef>
#include <cstdint>

namespace asterism {

class Mac1 {
 public:
  explicit Mac1(const uint8_t public_key[32]);

  /** `message` is an initiation (148 bytes) or a response (92 bytes); mac1 and mac2 are its last 32 bytes. */
  bool verify(const uint8_t* message, size_t len) const;

 private:
  uint8_t key_[32];
};

}  // namespace asterism
