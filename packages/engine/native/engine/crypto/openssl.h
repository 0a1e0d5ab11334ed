// The part of libcrypto that the engine uses, looked up at run time.
//
// Inside Node the symbols come from the Node binary itself; elsewhere (native tests) from libcrypto.so.3.
// No OpenSSL header is needed: the declarations below are the public, stable EVP interface, plus the
// assembler entry points of ChaCha20 and Poly1305, which are internals of OpenSSL. Those are used only
// where they are exported and after they have reproduced EVP's results (see `prove_one_pass`).
#pragma once

#include <cstddef>
#include <cstdint>

namespace asterism {

struct EvpCipherCtx;
struct EvpCipher;

struct OpenSsl {
  EvpCipherCtx* (*cipher_ctx_new)();
  void (*cipher_ctx_free)(EvpCipherCtx*);
  int (*cipher_ctx_ctrl)(EvpCipherCtx*, int type, int argument, void* pointer);
  int (*encrypt_init)(EvpCipherCtx*, const EvpCipher*, void* engine, const uint8_t* key, const uint8_t* nonce);
  int (*encrypt_update)(EvpCipherCtx*, uint8_t* out, int* out_len, const uint8_t* in, int in_len);
  int (*encrypt_final)(EvpCipherCtx*, uint8_t* out, int* out_len);
  int (*decrypt_init)(EvpCipherCtx*, const EvpCipher*, void* engine, const uint8_t* key, const uint8_t* nonce);
  int (*decrypt_update)(EvpCipherCtx*, uint8_t* out, int* out_len, const uint8_t* in, int in_len);
  int (*decrypt_final)(EvpCipherCtx*, uint8_t* out, int* out_len);
  void (*cleanse)(void* memory, size_t size);

  const EvpCipher* chacha20_poly1305;
  const EvpCipher* aes_256_gcm;

  // Null where the library does not export them.
  void (*chacha20_ctr32)(uint8_t* out, const uint8_t* in, size_t len, const uint32_t key[8], const uint32_t counter[4]);
  void (*poly1305_init)(void* ctx, const uint8_t key[32]);
  void (*poly1305_update)(void* ctx, const uint8_t* in, size_t len);
  void (*poly1305_final)(void* ctx, uint8_t tag[16]);

  /** True once the internals have been proven; until then and otherwise EVP does the work. */
  bool one_pass;
};

/** EVP_CTRL_AEAD_GET_TAG and EVP_CTRL_AEAD_SET_TAG of <openssl/evp.h>. */
constexpr int EVP_AEAD_GET_TAG = 0x10;
constexpr int EVP_AEAD_SET_TAG = 0x11;

/** The table, or null if this process has no usable libcrypto. Thread-safe; the look-up happens once. */
const OpenSsl* openssl();

}  // namespace asterism
