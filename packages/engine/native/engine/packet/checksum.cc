#include "packet/checksum.h"

#include "base/bytes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace asterism {
namespace {

uint64_t sum_scalar(const uint8_t* data, size_t len) {
  uint64_t sum = 0;
  for (; len >= 8; data += 8, len -= 8) {
    const auto word = load_raw<uint64_t>(data);
    sum += (word & 0xFFFFFFFF) + (word >> 32);
  }
  for (; len >= 2; data += 2, len -= 2) sum += load_raw<uint16_t>(data);
  if (len == 1) sum += *data;
  return sum;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) uint64_t sum_avx2(const uint8_t* data, size_t len) {
  const __m256i low_half = _mm256_set1_epi32(0xFFFF);
  __m256i low = _mm256_setzero_si256();
  __m256i high = _mm256_setzero_si256();
  // A 32-bit lane gains less than 2^16 per 32 bytes: no overflow below 2 MiB, packets hold 64 KiB.
  for (; len >= 32; data += 32, len -= 32) {
    const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data));
    low = _mm256_add_epi32(low, _mm256_and_si256(words, low_half));
    high = _mm256_add_epi32(high, _mm256_srli_epi32(words, 16));
  }
  alignas(32) uint32_t lanes[16];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), low);
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes + 8), high);
  uint64_t sum = 0;
  for (const uint32_t lane : lanes) sum += lane;
  return sum + sum_scalar(data, len);
}

const bool HAS_AVX2 = __builtin_cpu_supports("avx2");
#endif

}  // namespace

uint64_t checksum_sum(const uint8_t* data, size_t len) {
#if defined(__x86_64__)
  if (HAS_AVX2 && len >= 64) return sum_avx2(data, len);
#endif
  return sum_scalar(data, len);
}

uint64_t pseudo_header_sum(const uint8_t* ip, uint8_t protocol, size_t l4_len) {
  const bool v4 = ip[0] >> 4 == 4;
  const uint64_t addresses = v4 ? sum_scalar(ip + 12, 8) : sum_scalar(ip + 8, 32);
  return addresses + __builtin_bswap16(static_cast<uint16_t>(l4_len)) +
         __builtin_bswap16(protocol);
}

}  // namespace asterism
