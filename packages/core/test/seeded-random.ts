import { sha256 } from "@noble/hashes/sha2.js";
import { writeUint32Be } from "../src/bytes/index.ts";
import type { RandomBytes } from "../src/random.ts";

/** Random bytes that are the same in every run with the same seed. For tests only. */
export function seededRandom(seed: number): RandomBytes {
  let counter = 0;
  let pool = new Uint8Array(0);
  return (sizeBytes) => {
    const bytes = new Uint8Array(sizeBytes);
    for (let offset = 0; offset < sizeBytes; ) {
      if (pool.length === 0) {
        const block = new Uint8Array(8);
        writeUint32Be(block, 0, seed >>> 0);
        writeUint32Be(block, 4, counter++);
        pool = new Uint8Array(sha256(block));
      }
      const piece = pool.subarray(0, sizeBytes - offset);
      bytes.set(piece, offset);
      pool = pool.subarray(piece.length);
      offset += piece.length;
    }
    return bytes;
  };
}
