// ChaCha20-Poly1305 (RFC 8439 §2.8, empty AAD) in one pass of the cipher.
//
// EVP runs ChaCha20 separately for the Poly1305 key block, the body and the tail. Running it once, from
// block counter 0, over 64 zero bytes followed by the text yields the key block and the result together.
#pragma once

#include <cstddef>
#include <cstdint>

#include "crypto/openssl.h"

namespace asterism {

/** OpenSSL 3.x needs 256 bytes at most; its assembler wants them aligned. */
constexpr size_t POLY1305_CONTEXT_BYTES = 1024;

/** Writable bytes that seal and open borrow before `in` and `out`; their content is put back. */
constexpr size_t AEAD_HEADROOM_BYTES = 64;
constexpr size_t AEAD_TAG_BYTES = 16;

/** Writes `len` bytes of ciphertext and the tag to `out`, which is `in` or does not overlap it. */
void one_pass_seal(const OpenSsl& ssl, const uint32_t key[8], uint64_t counter, uint8_t* in, size_t len, uint8_t* out);

/** Opens `len` bytes of ciphertext followed by the tag. `out` must not overlap `in`. False: not authentic. */
bool one_pass_open(const OpenSsl& ssl, const uint32_t key[8], uint64_t counter, uint8_t* in, size_t len, uint8_t* out);

/** Known answers: the one-pass functions agree with EVP, both ways, over all lengths that take another code path. */
bool prove_one_pass(const OpenSsl& ssl);

}  // namespace asterism
