import { argon2 } from "node:crypto";
import { promisify } from "node:util";
import { encodeUtf8 } from "@asterism/core/bytes";

const MEMORY_KIB = 64 * 1024;
const PASSES = 3;
const PARALLELISM = 4;
const TAG_BYTES = 32;

const argon2Async = promisify(argon2);

/**
 * The network passphrase, stretched (argon2id, RFC 9106 §4: the memory-constrained recommendation). The network id is
 * the salt: the same passphrase gives different keys in different networks.
 */
export function stretchPassphrase(passphrase: string, networkId: string): Promise<Uint8Array> {
  return argon2Async("argon2id", {
    message: encodeUtf8(passphrase.normalize("NFC")),
    nonce: encodeUtf8(`asterism network ${networkId}`),
    parallelism: PARALLELISM,
    tagLength: TAG_BYTES,
    memory: MEMORY_KIB,
    passes: PASSES,
  });
}
