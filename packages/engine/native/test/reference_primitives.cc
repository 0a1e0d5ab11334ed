#include "reference_primitives.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/bytes.h"

namespace asterism::test {
namespace {

void quarter_round(uint32_t* s, int a, int b, int c, int d) {
  s[a] += s[b];
  s[d] = std::rotl(s[d] ^ s[a], 16);
  s[c] += s[d];
  s[b] = std::rotl(s[b] ^ s[c], 12);
  s[a] += s[b];
  s[d] = std::rotl(s[d] ^ s[a], 8);
  s[c] += s[d];
  s[b] = std::rotl(s[b] ^ s[c], 7);
}

void chacha20_ctr32(uint8_t* out, const uint8_t* in, size_t len, const uint32_t key[8], const uint32_t counter[4]) {
  uint32_t state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  std::memcpy(state + 4, key, 32);
  std::memcpy(state + 12, counter, 16);
  for (; len > 0; state[12]++) {
    uint32_t block[16];
    std::memcpy(block, state, sizeof block);
    for (int i = 0; i < 10; i++) {
      for (int k = 0; k < 4; k++) quarter_round(block, k, 4 + k, 8 + k, 12 + k);
      for (int k = 0; k < 4; k++) quarter_round(block, k, 4 + (k + 1) % 4, 8 + (k + 2) % 4, 12 + (k + 3) % 4);
    }
    const size_t part = std::min<size_t>(len, 64);
    for (size_t i = 0; i < part; i++) {
      out[i] = static_cast<uint8_t>(in[i] ^ ((block[i / 4] + state[i / 4]) >> (8 * (i % 4))));
    }
    out += part;
    in += part;
    len -= part;
  }
}

/** Poly1305 with 26-bit limbs, RFC 8439 §2.5. */
struct Poly1305 {
  uint32_t r[5], h[5], pad[4];
  uint8_t buffer[16];
  size_t buffered;
};

void poly_init(void* ctx, const uint8_t key[32]) {
  auto* p = static_cast<Poly1305*>(ctx);
  *p = {};
  p->r[0] = load_le32(key) & 0x3ffffff;
  p->r[1] = (load_le32(key + 3) >> 2) & 0x3ffff03;
  p->r[2] = (load_le32(key + 6) >> 4) & 0x3ffc0ff;
  p->r[3] = (load_le32(key + 9) >> 6) & 0x3f03fff;
  p->r[4] = (load_le32(key + 12) >> 8) & 0x00fffff;
  for (int i = 0; i < 4; i++) p->pad[i] = load_le32(key + 16 + 4 * i);
}

void poly_block(Poly1305* p, const uint8_t block[16], uint32_t high_bit) {
  uint64_t h[5], d[5] = {};
  h[0] = p->h[0] + (load_le32(block) & 0x3ffffff);
  h[1] = p->h[1] + ((load_le32(block + 3) >> 2) & 0x3ffffff);
  h[2] = p->h[2] + ((load_le32(block + 6) >> 4) & 0x3ffffff);
  h[3] = p->h[3] + ((load_le32(block + 9) >> 6) & 0x3ffffff);
  h[4] = p->h[4] + ((load_le32(block + 12) >> 8) | high_bit << 24);
  for (int i = 0; i < 5; i++) {
    for (int k = 0; k < 5; k++) d[(i + k) % 5] += h[i] * p->r[k] * (i + k >= 5 ? 5 : 1);
  }
  uint64_t carry = 0;
  for (int i = 0; i < 5; i++) {
    d[i] += carry;
    carry = d[i] >> 26;
    p->h[i] = d[i] & 0x3ffffff;
  }
  p->h[0] += static_cast<uint32_t>(carry * 5);
  p->h[1] += p->h[0] >> 26;
  p->h[0] &= 0x3ffffff;
}

void poly_update(void* ctx, const uint8_t* in, size_t len) {
  auto* p = static_cast<Poly1305*>(ctx);
  for (size_t i = 0; i < len; i++) {
    p->buffer[p->buffered++] = in[i];
    if (p->buffered == 16) {
      poly_block(p, p->buffer, 1);
      p->buffered = 0;
    }
  }
}

void poly_final(void* ctx, uint8_t tag[16]) {
  auto* p = static_cast<Poly1305*>(ctx);
  if (p->buffered > 0) {
    p->buffer[p->buffered] = 1;
    std::fill(p->buffer + p->buffered + 1, p->buffer + 16, 0);
    poly_block(p, p->buffer, 0);
  }
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 4; i++) {
      p->h[i + 1] += p->h[i] >> 26;
      p->h[i] &= 0x3ffffff;
    }
    p->h[0] += 5 * (p->h[4] >> 26);
    p->h[4] &= 0x3ffffff;
  }
  // h + 5 overflows 2^130 exactly if h >= 2^130 - 5.
  uint32_t g[5], carry = 5;
  for (int i = 0; i < 5; i++) {
    g[i] = p->h[i] + carry;
    carry = g[i] >> 26;
    g[i] &= 0x3ffffff;
  }
  const uint32_t* h = carry != 0 ? g : p->h;
  const uint32_t words[4] = {h[0] | h[1] << 26, h[1] >> 6 | h[2] << 20, h[2] >> 12 | h[3] << 14, h[3] >> 18 | h[4] << 8};
  uint64_t sum = 0;
  for (int i = 0; i < 4; i++) {
    sum += uint64_t{words[i]} + p->pad[i];
    store_le32(tag + 4 * i, static_cast<uint32_t>(sum));
    sum >>= 32;
  }
}

}  // namespace

void use_reference_primitives(OpenSsl& table) {
  table.chacha20_ctr32 = chacha20_ctr32;
  table.poly1305_init = poly_init;
  table.poly1305_update = poly_update;
  table.poly1305_final = poly_final;
}

}  // namespace asterism::test
