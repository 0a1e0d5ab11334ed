#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/blake2s.h"
#include "hex.h"
#include "random.h"
#include "reference_primitives.h"
#include "tables/session.h"
#include "wire/mac1.h"

using namespace asterism;
using namespace asterism::test;

namespace {

constexpr uint64_t COUNTER = 0x0807060504030201;

std::vector<uint8_t> pattern(size_t len) {
  std::vector<uint8_t> bytes(len);
  for (size_t i = 0; i < len; i++) bytes[i] = static_cast<uint8_t>(i * 7);
  return bytes;
}

std::vector<uint8_t> counting_key() {
  std::vector<uint8_t> key(32);
  for (size_t i = 0; i < 32; i++) key[i] = static_cast<uint8_t>(i);
  return key;
}

/** A buffer with headroom whose content must survive. */
struct Room {
  explicit Room(size_t len) : bytes(64 + len + 64, 0xA5) {}
  uint8_t* at() { return bytes.data() + 64; }
  bool headroom_intact() const {
    for (size_t i = 0; i < 64; i++) {
      if (bytes[i] != 0xA5) return false;
    }
    return true;
  }
  std::vector<uint8_t> bytes;
};

std::string seal_hex(const OpenSsl& ssl, Aead aead, const uint8_t* key, uint64_t counter, std::vector<uint8_t> text) {
  AeadKey aead_key(ssl, aead, key);
  Room in(text.size());
  Room out(text.size());
  if (!text.empty()) std::memcpy(in.at(), text.data(), text.size());
  REQUIRE(aead_key.seal(0, counter, in.at(), text.size(), out.at()));
  CHECK(in.headroom_intact());
  CHECK(out.headroom_intact());
  return to_hex(out.at(), text.size() + 16);
}

/** The table with the reference primitives in the place of the internals. */
const OpenSsl& one_pass_ssl() {
  static const OpenSsl table = [] {
    OpenSsl copy = *openssl();
    use_reference_primitives(copy);
    copy.one_pass = prove_one_pass(copy);
    return copy;
  }();
  return table;
}

}  // namespace

TEST_CASE("libcrypto is found without its headers") { REQUIRE(openssl() != nullptr); }

TEST_CASE("one pass of any right ChaCha20 and Poly1305 agrees with EVP") { CHECK(one_pass_ssl().one_pass); }

TEST_CASE("a wrong primitive is found out and not used") {
  OpenSsl broken = one_pass_ssl();
  broken.poly1305_final = [](void*, uint8_t tag[16]) { std::memset(tag, 0, 16); };
  CHECK_FALSE(prove_one_pass(broken));
}

TEST_CASE("ChaCha20-Poly1305 known answers") {
  for (const OpenSsl* ssl : {openssl(), &one_pass_ssl()}) {
    // Ciphertext of zeros under the zero key: key stream block 1 of RFC 8439 A.1 test vector 2.
    const std::vector<uint8_t> zero_key(32);
    CHECK(seal_hex(*ssl, Aead::chacha20_poly1305, zero_key.data(), 0, std::vector<uint8_t>(64)) ==
          "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed29b721769ce64e43d57133b074d839d5"
          "31ed1f28510afb45ace10a1f4b794d6f75c5180ef52d6921037a3d0af9f0dac8");
    CHECK(seal_hex(*ssl, Aead::chacha20_poly1305, counting_key().data(), COUNTER, pattern(100)) ==
          "efe1abedb9af82ad2880ae9bdeb74537e5fb1ad490deb2bdb37a825fa823775cd7f7e178966c5c9e6506a123ee42acfb1ed7c41a"
          "076d8d834f0bace1b5cc6254ef111402ee89aaaa3f33fa0b7a55546dadd59dd3868d04421fb876be961ad6c2d6e0c817db7b8b75"
          "c706ec9d3a338b7f0135e83a");
  }
}

TEST_CASE("AES-256-GCM known answers") {
  // Test cases 13 and 14 of the GCM specification (McGrew, Viega).
  const std::vector<uint8_t> zero_key(32);
  CHECK(seal_hex(*openssl(), Aead::aes_256_gcm, zero_key.data(), 0, {}) == "530f8afbc74536b9a963b4f1c4cb738b");
  CHECK(seal_hex(*openssl(), Aead::aes_256_gcm, zero_key.data(), 0, std::vector<uint8_t>(16)) ==
        "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
  CHECK(seal_hex(*openssl(), Aead::aes_256_gcm, counting_key().data(), COUNTER, pattern(100)) ==
        "04566b1bc1c223af3ba0bba24a3c5b990a8e22475b46d2cd4154e2edaffc0d14cfcff66d66b9c737f81844b65e1212ef6aac87c4"
        "4973c127c3952f7ed704a056531e6278abd9eb312f12e5c34ae2042eea13009bf1360b8aa6f8b1d670e5ec3e28d2ed5ffae80e08"
        "df86f6c1578fe9d1a2845a6b");
}

TEST_CASE("what is sealed opens, and nothing that was changed does") {
  Random random(7);
  for (const OpenSsl* ssl : {openssl(), &one_pass_ssl()}) {
    for (const Aead aead : {Aead::chacha20_poly1305, Aead::aes_256_gcm}) {
      AeadKey key(*ssl, aead, counting_key().data());
      for (const size_t len : {size_t{0}, size_t{1}, size_t{16}, size_t{63}, size_t{64}, size_t{511}, size_t{1420}}) {
        Room plain(len), sealed(len + 16), opened(len + 16);
        for (size_t i = 0; i < len; i++) plain.at()[i] = static_cast<uint8_t>(random.next());
        const std::vector<uint8_t> original = plain.bytes;
        REQUIRE(key.seal(0, len, plain.at(), len, sealed.at()));
        CHECK(plain.bytes == original);
        REQUIRE(key.open(1, len, sealed.at(), len, opened.at()));
        CHECK(std::memcmp(opened.at(), plain.at(), len) == 0);
        CHECK(sealed.headroom_intact());
        CHECK(opened.headroom_intact());
        CHECK_FALSE(key.open(1, len + 1, sealed.at(), len, opened.at()));
        sealed.at()[random.below(len + 16)] ^= static_cast<uint8_t>(1 + random.below(255));
        CHECK_FALSE(key.open(1, len, sealed.at(), len, opened.at()));
      }
    }
  }
}

TEST_CASE("a destroyed session leaves no key in its memory") {
  alignas(64) static uint8_t memory[sizeof(Session)];
  const std::vector<uint8_t> send(32, 0x5E), receive(32, 0x7C);
  for (const Aead aead : {Aead::chacha20_poly1305, Aead::aes_256_gcm}) {
    auto* session = new (memory) Session(*openssl(), aead, send.data(), receive.data());
    const auto holds = [&](const std::vector<uint8_t>& key) {
      return memmem(memory, sizeof memory, key.data(), key.size()) != nullptr;
    };
    REQUIRE(holds(send));
    REQUIRE(holds(receive));
    session->~Session();
    CHECK_FALSE(holds(send));
    CHECK_FALSE(holds(receive));
  }
}

TEST_CASE("a session runs out of counters for good") {
  const auto key = counting_key();
  Session session(*openssl(), Aead::chacha20_poly1305, key.data(), key.data());
  session.send_counter = REJECT_AFTER_MESSAGES - 3;
  uint64_t first = 0;
  CHECK_FALSE(session.reserve_counters(4, first));
  CHECK(session.reserve_counters(3, first));
  CHECK(first == REJECT_AFTER_MESSAGES - 3);
  for (int i = 0; i < 20'000; i++) REQUIRE_FALSE(session.reserve_counters(1, first));
}

TEST_CASE("BLAKE2s known answers") {
  uint8_t digest[32];
  blake2s(digest, 32, nullptr, 0, reinterpret_cast<const uint8_t*>("abc"), 3);
  CHECK(to_hex(digest, 32) == "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");  // RFC 7693 B
  struct Vector {
    size_t len;
    const char* keyed;
    const char* plain;
  };
  const Vector vectors[] = {
      {0, "9536f9b267655743dee97b8a670f9f53", "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9"},
      {1, "13bacfb85b48a1223c595f8c1e7e82cb", "e34d74dbaf4ff4c6abd871cc220451d2ea2648846c7757fbaac82fe51ad64bea"},
      {63, "0d862fbb6df73c662e5f650f6e5ed019", "8711b32e3542deae1acce6409fec6577d9ca7daf80e1dcb5534236beea38e6b3"},
      {64, "a5f01ae94b378e819c8c3933c2d9f2dd", "b09537398e20f8cd56dca19d34b4b467633721bef880f40f2f707ebffd097551"},
      {65, "424237413b3dc5728e25c57910632ca3", "8936ffcf32a157440820fc06674e4682f76fe78fa7184bfad264c2f6eff6a151"},
      {128, "c5ee55fe995686f1af93cca3f2316ef8", "9462ab46c9c7779556af81a31d87fe184e631d5e4836bbda5998669d86a6544b"},
      {200, "69f5f2c39a3bba5d1d285e5f9646c761", "4954f84ca29ed06714c1732e2a8a199a9e784009e9495d04dc7736bdca41233d"}};
  const auto key = counting_key();
  const auto text = pattern(200);
  for (const Vector& vector : vectors) {
    blake2s(digest, 16, key.data(), 32, text.data(), vector.len);
    CHECK(to_hex(digest, 16) == vector.keyed);
    blake2s(digest, 32, nullptr, 0, text.data(), vector.len);
    CHECK(to_hex(digest, 32) == vector.plain);
  }
}

TEST_CASE("mac1 accepts its own key's messages only") {
  const auto public_key = counting_key();
  const Mac1 mac1(public_key.data());
  for (const size_t len : {size_t{148}, size_t{92}}) {
    auto message = pattern(len);
    uint8_t labelled[40];
    std::memcpy(labelled, "mac1----", 8);
    std::memcpy(labelled + 8, public_key.data(), 32);
    uint8_t key[32];
    blake2s(key, 32, nullptr, 0, labelled, sizeof labelled);
    blake2s(message.data() + len - 32, 16, key, 32, message.data(), len - 32);
    CHECK(mac1.verify(message.data(), len));
    message[len - 1] ^= 1;  // mac2 is none of mac1's business
    CHECK(mac1.verify(message.data(), len));
    message[5] ^= 1;
    CHECK_FALSE(mac1.verify(message.data(), len));
  }
  CHECK_FALSE(mac1.verify(public_key.data(), 31));
}
