// Unaligned loads and stores in the byte orders of the wire formats.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace asterism {

static_assert(std::endian::native == std::endian::little, "the engine supports little-endian machines only");

template <typename T>
inline T load_raw(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
inline void store_raw(void* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

inline uint16_t load_be16(const void* from) { return __builtin_bswap16(load_raw<uint16_t>(from)); }
inline uint32_t load_be32(const void* from) { return __builtin_bswap32(load_raw<uint32_t>(from)); }
inline uint32_t load_le32(const void* from) { return load_raw<uint32_t>(from); }
inline uint64_t load_le64(const void* from) { return load_raw<uint64_t>(from); }

inline void store_be16(void* to, uint16_t value) { store_raw(to, __builtin_bswap16(value)); }
inline void store_be32(void* to, uint32_t value) { store_raw(to, __builtin_bswap32(value)); }
inline void store_le32(void* to, uint32_t value) { store_raw(to, value); }
inline void store_le64(void* to, uint64_t value) { store_raw(to, value); }

}  // namespace asterism
