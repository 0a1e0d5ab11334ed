#include "wire/mac1.h"

#include <cstring>

#include "base/bytes.h"
#include "crypto/blake2s.h"

namespace asterism {

Mac1::Mac1(const uint8_t public_key[32]) {
  uint8_t labelled[8 + 32];
  std::memcpy(labelled, "mac1----", 8);
  std::memcpy(labelled + 8, public_key, 32);
  blake2s(key_, sizeof key_, nullptr, 0, labelled, sizeof labelled);
}

bool Mac1::verify(const uint8_t* message, size_t len) const {
  if (len < 32) return false;
  const uint8_t* mac1 = message + len - 32;
  uint8_t expected[16];
  blake2s(expected, sizeof expected, key_, sizeof key_, message, len - 32);
  return ((load_le64(expected) ^ load_le64(mac1)) | (load_le64(expected + 8) ^ load_le64(mac1 + 8))) == 0;
}

}  // namespace asterism
