// One direction of a session's transport keys: seals or opens by counter (WireGuard nonce: 32 zero bits,
// then the counter as 64 bits little-endian; the same layout for both ciphers), with empty AAD.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "crypto/one_pass.h"
#include "crypto/openssl.h"

namespace asterism {

enum class Aead : uint8_t { chacha20_poly1305 = 0, aes_256_gcm = 1 };

class AeadKey {
 public:
  /** Threads that may use one key at a time, each by its own lane. */
  static constexpr unsigned MAX_LANES = 10;

  AeadKey(const OpenSsl& ssl, Aead aead, const uint8_t key[32], bool allow_one_pass = true);
  /** Wipes the key and the contexts made from it. */
  ~AeadKey();
  AeadKey(const AeadKey&) = delete;
  AeadKey& operator=(const AeadKey&) = delete;

  /**
   * Writes `len` bytes of ciphertext and 16 bytes of tag to `out`. `out` is `in` or does not overlap it;
   * AEAD_HEADROOM_BYTES before both are borrowed and put back. False only if libcrypto fails.
   */
  bool seal(unsigned lane, uint64_t counter, uint8_t* in, size_t len, uint8_t* out);

  /** Opens `len` bytes of ciphertext and the tag behind them; `out` must not overlap `in`. Headroom as in `seal`. */
  bool open(unsigned lane, uint64_t counter, uint8_t* in, size_t len, uint8_t* out);

  Aead aead() const { return aead_; }

 private:
  EvpCipherCtx* context(unsigned lane, bool sealing);
  bool evp_seal(EvpCipherCtx* ctx, const uint8_t nonce[12], const uint8_t* in, size_t len, uint8_t* out);
  bool evp_open(EvpCipherCtx* ctx, const uint8_t nonce[12], uint8_t* in, size_t len, uint8_t* out);

  const OpenSsl& ssl_;
  const Aead aead_;
  const bool one_pass_;
  alignas(32) uint32_t key_[8];
  // A slot belongs to the thread of its lane, which fills it at first use.
  std::array<EvpCipherCtx*, MAX_LANES> contexts_{};
};

}  // namespace asterism
