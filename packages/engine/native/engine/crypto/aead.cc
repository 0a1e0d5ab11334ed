#include "crypto/aead.h"

#include <cstring>

#include "base/bytes.h"

namespace asterism {

AeadKey::AeadKey(const OpenSsl& ssl, Aead aead, const uint8_t key[32], bool allow_one_pass)
    : ssl_(ssl), aead_(aead), one_pass_(allow_one_pass && aead == Aead::chacha20_poly1305 && ssl.one_pass) {
  std::memcpy(key_, key, sizeof key_);
}

AeadKey::~AeadKey() {
  for (EvpCipherCtx* ctx : contexts_) {
    if (ctx != nullptr) ssl_.cipher_ctx_free(ctx);
  }
  ssl_.cleanse(key_, sizeof key_);
}

bool AeadKey::seal(unsigned lane, uint64_t counter, uint8_t* in, size_t len, uint8_t* out) {
  if (one_pass_) {
    one_pass_seal(ssl_, key_, counter, in, len, out);
    return true;
  }
  uint8_t nonce[12] = {};
  store_le64(nonce + 4, counter);
  EvpCipherCtx* ctx = context(lane, true);
  return ctx != nullptr && evp_seal(ctx, nonce, in, len, out);
}

bool AeadKey::open(unsigned lane, uint64_t counter, uint8_t* in, size_t len, uint8_t* out) {
  if (one_pass_) return one_pass_open(ssl_, key_, counter, in, len, out);
  uint8_t nonce[12] = {};
  store_le64(nonce + 4, counter);
  EvpCipherCtx* ctx = context(lane, false);
  return ctx != nullptr && evp_open(ctx, nonce, in, len, out);
}

EvpCipherCtx* AeadKey::context(unsigned lane, bool sealing) {
  EvpCipherCtx*& slot = contexts_[lane];
  if (slot != nullptr) return slot;
  EvpCipherCtx* ctx = ssl_.cipher_ctx_new();
  if (ctx == nullptr) return nullptr;
  const EvpCipher* cipher = aead_ == Aead::aes_256_gcm ? ssl_.aes_256_gcm : ssl_.chacha20_poly1305;
  const auto init = sealing ? ssl_.encrypt_init : ssl_.decrypt_init;
  if (init(ctx, cipher, nullptr, reinterpret_cast<const uint8_t*>(key_), nullptr) != 1) {
    ssl_.cipher_ctx_free(ctx);
    return nullptr;
  }
  return slot = ctx;
}

bool AeadKey::evp_seal(EvpCipherCtx* ctx, const uint8_t nonce[12], const uint8_t* in, size_t len, uint8_t* out) {
  int written = 0;
  if (ssl_.encrypt_init(ctx, nullptr, nullptr, nullptr, nonce) != 1) return false;
  if (len > 0 && ssl_.encrypt_update(ctx, out, &written, in, static_cast<int>(len)) != 1) return false;
  return ssl_.encrypt_final(ctx, out + len, &written) == 1 &&
         ssl_.cipher_ctx_ctrl(ctx, EVP_AEAD_GET_TAG, AEAD_TAG_BYTES, out + len) == 1;
}

bool AeadKey::evp_open(EvpCipherCtx* ctx, const uint8_t nonce[12], uint8_t* in, size_t len, uint8_t* out) {
  int written = 0;
  if (ssl_.decrypt_init(ctx, nullptr, nullptr, nullptr, nonce) != 1) return false;
  if (ssl_.cipher_ctx_ctrl(ctx, EVP_AEAD_SET_TAG, AEAD_TAG_BYTES, in + len) != 1) return false;
  if (len > 0 && ssl_.decrypt_update(ctx, out, &written, in, static_cast<int>(len)) != 1) return false;
  return ssl_.decrypt_final(ctx, out + len, &written) == 1;
}

}  // namespace asterism
