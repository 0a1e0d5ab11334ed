#include "crypto/blake2s.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/bytes.h"

namespace asterism {
namespace {

constexpr uint32_t IV[8] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                            0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};

constexpr uint8_t SIGMA[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

inline void mix(uint32_t& a, uint32_t& b, uint32_t& c, uint32_t& d, uint32_t x, uint32_t y) {
  a += b + x;
  d = std::rotr(d ^ a, 16);
  c += d;
  b = std::rotr(b ^ c, 12);
  a += b + y;
  d = std::rotr(d ^ a, 8);
  c += d;
  b = std::rotr(b ^ c, 7);
}

void compress(uint32_t h[8], const uint8_t block[64], uint64_t total, bool last) {
  uint32_t m[16];
  uint32_t v[16];
  for (int i = 0; i < 16; i++) m[i] = load_le32(block + 4 * i);
  for (int i = 0; i < 8; i++) v[i] = h[i];
  for (int i = 0; i < 8; i++) v[8 + i] = IV[i];
  v[12] ^= static_cast<uint32_t>(total);
  v[13] ^= static_cast<uint32_t>(total >> 32);
  if (last) v[14] = ~v[14];
  for (const auto& s : SIGMA) {
    mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
    mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
    mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
    mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
    mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
    mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
    mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
    mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
  }
  for (int i = 0; i < 8; i++) h[i] ^= v[i] ^ v[8 + i];
}

}  // namespace

void blake2s(uint8_t* out, size_t out_len, const uint8_t* key, size_t key_len, const uint8_t* in, size_t in_len) {
  uint32_t h[8];
  std::memcpy(h, IV, sizeof h);
  h[0] ^= 0x01010000 ^ static_cast<uint32_t>(key_len << 8) ^ static_cast<uint32_t>(out_len);
  uint64_t total = 0;
  uint8_t block[64] = {};
  if (key_len > 0) {
    std::memcpy(block, key, key_len);
    total = 64;
    compress(h, block, total, in_len == 0);
    if (in_len == 0) in = nullptr;
  }
  while (in_len > 64) {
    total += 64;
    compress(h, in, total, false);
    in += 64;
    in_len -= 64;
  }
  if (in_len > 0 || key_len == 0) {
    std::memset(block, 0, sizeof block);
    if (in_len > 0) std::memcpy(block, in, in_len);
    compress(h, block, total + in_len, true);
  }
  for (size_t i = 0; i < out_len; i++) out[i] = static_cast<uint8_t>(h[i / 4] >> (8 * (i % 4)));
}

}  // namespace asterism
