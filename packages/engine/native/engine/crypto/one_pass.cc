#include "crypto/one_pass.h"

#include <cstring>

#include "base/bytes.h"

namespace asterism {
namespace {

struct alignas(64) Block {
  uint8_t bytes[64];
};

/** Lends the 64 bytes before a text to the key block and puts them back. */
class Headroom {
 public:
  explicit Headroom(uint8_t* text) : at_(text - AEAD_HEADROOM_BYTES) { std::memcpy(saved_.bytes, at_, 64); }
  ~Headroom() { std::memcpy(at_, saved_.bytes, 64); }
  Headroom(const Headroom&) = delete;
  Headroom& operator=(const Headroom&) = delete;
  uint8_t* data() const { return at_; }

 private:
  uint8_t* at_;
  Block saved_;
};

void cipher(const OpenSsl& ssl, const uint32_t key[8], uint64_t counter, uint8_t* in, size_t len, uint8_t* out,
            uint8_t poly_key[32]) {
  const uint32_t block_counter[4] = {0, 0, static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32)};
  const Headroom in_room(in);
  const Headroom out_room(out);
  std::memset(in_room.data(), 0, 64);
  ssl.chacha20_ctr32(out_room.data(), in_room.data(), 64 + len, key, block_counter);
  std::memcpy(poly_key, out_room.data(), 32);
}

void authenticate(const OpenSsl& ssl, const uint8_t poly_key[32], const uint8_t* text, size_t len, uint8_t tag[16]) {
  alignas(64) uint8_t context[POLY1305_CONTEXT_BYTES];
  ssl.poly1305_init(context, poly_key);
  ssl.poly1305_update(context, text, len);
  uint8_t tail[32] = {};
  const size_t padding = (16 - len % 16) % 16;
  store_le64(tail + padding + 8, len);
  ssl.poly1305_update(context, tail, padding + 16);
  ssl.poly1305_final(context, tag);
}

bool tags_equal(const uint8_t* a, const uint8_t* b) {
  const uint64_t difference =
      (load_le64(a) ^ load_le64(b)) | (load_le64(a + 8) ^ load_le64(b + 8));
  return difference == 0;
}

bool evp_seal(const OpenSsl& ssl, const uint8_t* key, const uint8_t nonce[12], const uint8_t* in, size_t len,
              uint8_t* out) {
  EvpCipherCtx* ctx = ssl.cipher_ctx_new();
  if (ctx == nullptr) return false;
  int written = 0;
  const bool sealed = ssl.encrypt_init(ctx, ssl.chacha20_poly1305, nullptr, key, nonce) == 1 &&
                      ssl.encrypt_update(ctx, out, &written, in, static_cast<int>(len)) == 1 &&
                      ssl.encrypt_final(ctx, out + len, &written) == 1 &&
                      ssl.cipher_ctx_ctrl(ctx, EVP_AEAD_GET_TAG, AEAD_TAG_BYTES, out + len) == 1;
  ssl.cipher_ctx_free(ctx);
  return sealed;
}

}  // namespace

void one_pass_seal(const OpenSsl& ssl, const uint32_t key[8], uint64_t counter, uint8_t* in, size_t len, uint8_t* out) {
  alignas(32) uint8_t poly_key[32];
  cipher(ssl, key, counter, in, len, out, poly_key);
  authenticate(ssl, poly_key, out, len, out + len);
}

bool one_pass_open(const OpenSsl& ssl, const uint32_t key[8], uint64_t counter, uint8_t* in, size_t len, uint8_t* out) {
  alignas(32) uint8_t poly_key[32];
  uint8_t tag[16];
  cipher(ssl, key, counter, in, len, out, poly_key);
  authenticate(ssl, poly_key, in, len, tag);
  return tags_equal(tag, in + len);
}

bool prove_one_pass(const OpenSsl& ssl) {
  static constexpr size_t LENGTHS[] = {0,   1,   15,  16,   17,   63,   64,   65,   127,  128,  192,  255,  256,
                                       448, 511, 512, 1000, 1023, 1024, 1360, 1408, 1424, 2048, 4095, 9000};
  static constexpr size_t ROOM = 9000 + 256;
  alignas(64) static uint8_t plain[ROOM], sealed[ROOM], expected[ROOM], opened[ROOM];
  uint32_t key[8];
  for (size_t i = 0; i < sizeof key; i++) reinterpret_cast<uint8_t*>(key)[i] = static_cast<uint8_t>(i * 37 + 11);
  for (size_t i = 0; i < ROOM; i++) plain[i] = static_cast<uint8_t>(i * 131 + (i >> 8));
  uint64_t counter = 0x0102030405060708;
  for (const size_t len : LENGTHS) {
    uint8_t nonce[12] = {};
    store_le64(nonce + 4, ++counter);
    if (!evp_seal(ssl, reinterpret_cast<const uint8_t*>(key), nonce, plain + 64, len, expected)) return false;
    one_pass_seal(ssl, key, counter, plain + 64, len, sealed + 64);
    if (std::memcmp(sealed + 64, expected, len + AEAD_TAG_BYTES) != 0) return false;
    if (!one_pass_open(ssl, key, counter, sealed + 64, len, opened + 64)) return false;
    if (std::memcmp(opened + 64, plain + 64, len) != 0) return false;
    sealed[64 + len] ^= 1;
    if (one_pass_open(ssl, key, counter, sealed + 64, len, opened + 64)) return false;
  }
  return true;
}

}  // namespace asterism
