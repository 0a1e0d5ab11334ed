// Plain ChaCha20 and Poly1305 with the signatures of OpenSSL's internals, so that the one-pass code is
// tested where libcrypto does not export them.
#pragma once

#include "crypto/openssl.h"

namespace asterism::test {

void use_reference_primitives(OpenSsl& table);

}  // namespace asterism::test
