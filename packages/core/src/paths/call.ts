/**
 * Sealed calls: what the signalling server forwards and can't read (docs/protocol-paths.md §4).
 *
 *   offset  size  field
 *   0       1     version 1
 *   1       12    nonce, random
 *   13      n+16  ChaCha20-Poly1305(callKey of the direction, nonce, aad = version, JSON)
 */
import type { Crypto } from "../identity/index.ts";
import type { RandomBytes } from "../random.ts";
import type { WallTime } from "../time.ts";
import type { CallBody } from "./call-body.ts";
import type { PairKeys } from "./check-keys.ts";

/** Largest sealed call. */
export const MAX_CALL_BYTES = 8_192;
/** Largest difference of the two clocks; pass wall times that are corrected by the server's where it is known. */
export const MAX_CALL_SKEW_MS = 120_000;

/** The two functions of the crypto port that calls need. */
export type CallCrypto = Pick<Crypto, "chacha20Poly1305Seal" | "chacha20Poly1305Open">;

export type CallDropReason = "call-malformed" | "call-unauthenticated" | "call-stale" | "call-replayed";

export type OpenedCall =
  | { readonly ok: true; readonly body: CallBody; readonly passphraseProof: string | null }
  /** `skewMs`: how far the sender's clock is ahead, only for `call-stale`. */
  | { readonly ok: false; readonly reason: CallDropReason; readonly skewMs?: number };

/** Seals and opens the calls of one pair; remembers what is needed against replay. */
export class CallBox {
  constructor(_options: { readonly keys: PairKeys; readonly crypto: CallCrypto; readonly random: RandomBytes }) {}

  /** `passphraseProof`: base64url, if the network has a passphrase (`passphraseProof`). */
  seal(_body: CallBody, _passphraseProof: string | null, _wallNow: WallTime): Uint8Array {
    return new Uint8Array();
  }

  open(_sealed: Uint8Array, _wallNow: WallTime): OpenedCall {
    return { ok: false, reason: "call-malformed" };
  }
}
