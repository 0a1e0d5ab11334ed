// BLAKE2s (RFC 7693), as WireGuard uses it: the 32-byte hash and the keyed 16-byte MAC.
#pragma once

#include <cstddef>
#include <cstdint>

namespace asterism {

/** `out_len` 1–32 bytes; `key_len` 0–32 bytes, 0 for no key. */
void blake2s(uint8_t* out, size_t out_len, const uint8_t* key, size_t key_len, const uint8_t* in, size_t in_len);

}  // namespace asterism
