#include "crypto/openssl.h"

#include <dlfcn.h>

#include "crypto/one_pass.h"

namespace asterism {
namespace {

/** Memory that Poly1305_Init may use (see one_pass.h) must be at least what the library asks for. */
bool poly1305_context_fits(void* library) {
  using ContextSize = size_t (*)();
  const auto context_size = reinterpret_cast<ContextSize>(dlsym(library, "Poly1305_ctx_size"));
  return context_size != nullptr && context_size() <= POLY1305_CONTEXT_BYTES;
}

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

const EvpCipher* find_cipher(void* library, const char* fetch_name, const char* getter_name) {
  // A fetched cipher spares each EVP_EncryptInit_ex a look-up under a lock.
  using Fetch = const EvpCipher* (*)(void* context, const char* algorithm, const char* properties);
  Fetch fetch = nullptr;
  if (find(library, "EVP_CIPHER_fetch", fetch)) {
    if (const EvpCipher* cipher = fetch(nullptr, fetch_name, nullptr)) return cipher;
  }
  using Getter = const EvpCipher* (*)();
  Getter getter = nullptr;
  return find(library, getter_name, getter) ? getter() : nullptr;
}

bool load_evp(void* library, OpenSsl& table) {
  const bool found = find(library, "EVP_CIPHER_CTX_new", table.cipher_ctx_new) &&
                     find(library, "EVP_CIPHER_CTX_free", table.cipher_ctx_free) &&
                     find(library, "EVP_CIPHER_CTX_ctrl", table.cipher_ctx_ctrl) &&
                     find(library, "EVP_EncryptInit_ex", table.encrypt_init) &&
                     find(library, "EVP_EncryptUpdate", table.encrypt_update) &&
                     find(library, "EVP_EncryptFinal_ex", table.encrypt_final) &&
                     find(library, "EVP_DecryptInit_ex", table.decrypt_init) &&
                     find(library, "EVP_DecryptUpdate", table.decrypt_update) &&
                     find(library, "EVP_DecryptFinal_ex", table.decrypt_final) &&
                     find(library, "OPENSSL_cleanse", table.cleanse);
  if (!found) return false;
  table.chacha20_poly1305 = find_cipher(library, "ChaCha20-Poly1305", "EVP_chacha20_poly1305");
  table.aes_256_gcm = find_cipher(library, "AES-256-GCM", "EVP_aes_256_gcm");
  return table.chacha20_poly1305 != nullptr && table.aes_256_gcm != nullptr;
}

bool load_internals(void* library, OpenSsl& table) {
  return find(library, "ChaCha20_ctr32", table.chacha20_ctr32) &&
         find(library, "Poly1305_Init", table.poly1305_init) &&
         find(library, "Poly1305_Update", table.poly1305_update) &&
         find(library, "Poly1305_Final", table.poly1305_final) && poly1305_context_fits(library);
}

struct Loaded {
  OpenSsl table{};
  bool usable = false;

  Loaded() {
    void* library = RTLD_DEFAULT;
    if (dlsym(library, "EVP_EncryptUpdate") == nullptr) library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr && dlsym(RTLD_DEFAULT, "EVP_EncryptUpdate") == nullptr) return;
    usable = load_evp(library, table);
    if (usable) table.one_pass = load_internals(library, table) && prove_one_pass(table);
  }
};

}  // namespace

const OpenSsl* openssl() {
  static const Loaded loaded;
  return loaded.usable ? &loaded.table : nullptr;
}

}  // namespace asterism
