/**
 * Sealed calls: what the signalling server forwards and can't read (docs/protocol-paths.md §4).
 *
 *   offset  size  field
 *   0       1     version 1
 *   1       12    nonce, random
 *   13      n+16  ChaCha20-Poly1305(call key of the direction, nonce, aad = version byte, JSON)
 *
 * Each call carries the sender's wall time, which rises with every call. A receiver takes a call only if it is newer
 * than the last one it took and not more than `MAX_CALL_SKEW_MS` off its own clock, so neither the server nor a
 * forwarding member can bring old candidates back.
 */
import { concatBytes } from "../bytes/index.ts";
import type { Crypto } from "../identity/index.ts";
import type { RandomBytes } from "../random.ts";
import type { WallTime } from "../time.ts";
import { type CallBody, encodeCallContent, parseCallContent } from "./call-body.ts";
import type { PairKeys } from "./check-keys.ts";

/** Largest sealed call. */
export const MAX_CALL_BYTES = 8_192;
/** Largest difference of the two clocks; pass wall times that are corrected by the server's where it is known. */
export const MAX_CALL_SKEW_MS = 120_000;

const VERSION = Uint8Array.of(1);
const NONCE_BYTES = 12;
const HEADER_BYTES = 1 + NONCE_BYTES;
const TAG_BYTES = 16;

/** What sealing makes of so many bytes. */
export function sealedCallBytes(contentBytes: number): number {
  return HEADER_BYTES + contentBytes + TAG_BYTES;
}

/** The two functions of the crypto port that calls need. */
export type CallCrypto = Pick<Crypto, "chacha20Poly1305Seal" | "chacha20Poly1305Open">;

export type CallDropReason = "call-malformed" | "call-unauthenticated" | "call-stale" | "call-replayed";

export type OpenedCall =
  | { readonly ok: true; readonly body: CallBody; readonly passphraseProof: string | null }
  /** `skewMs`: how far the sender's clock is ahead, only for `call-stale`. */
  | { readonly ok: false; readonly reason: CallDropReason; readonly skewMs?: number };

/** Seals and opens the calls of one pair; remembers what is needed against replay. */
export class CallBox {
  readonly #keys: PairKeys;
  readonly #crypto: CallCrypto;
  readonly #random: RandomBytes;
  #lastSentAt = 0;
  #lastAcceptedAt = 0;

  constructor(options: { readonly keys: PairKeys; readonly crypto: CallCrypto; readonly random: RandomBytes }) {
    this.#keys = options.keys;
    this.#crypto = options.crypto;
    this.#random = options.random;
  }

  /** `passphraseProof`: at most 64 characters, null in a network without a passphrase. */
  seal(body: CallBody, passphraseProof: string | null, wallNow: WallTime): Uint8Array {
    // Nobody has taken what left while the clock was further ahead than this.
    if (this.#lastSentAt - wallNow > MAX_CALL_SKEW_MS) this.#lastSentAt = 0;
    // A call that left in the same millisecond, or before the clock was set back, must still be the older one.
    this.#lastSentAt = Math.max(Math.trunc(wallNow), this.#lastSentAt + 1);
    const nonce = this.#random(NONCE_BYTES);
    const plaintext = encodeCallContent({ body, sentAt: this.#lastSentAt as WallTime, passphraseProof });
    const sealed = this.#crypto.chacha20Poly1305Seal(this.#keys.callSendKey, nonce, VERSION, plaintext);
    return concatBytes(VERSION, nonce, sealed);
  }

  /** Any bytes become a call or a reason to drop them. A dropped call changes nothing. */
  open(sealed: Uint8Array, wallNow: WallTime): OpenedCall {
    const hasLength = sealed.length >= HEADER_BYTES + TAG_BYTES && sealed.length <= MAX_CALL_BYTES;
    if (!hasLength || sealed[0] !== VERSION[0]) return { ok: false, reason: "call-malformed" };
    const nonce = sealed.subarray(1, HEADER_BYTES);
    const ciphertext = sealed.subarray(HEADER_BYTES);
    const plaintext = this.#crypto.chacha20Poly1305Open(this.#keys.callReceiveKey, nonce, VERSION, ciphertext);
    if (plaintext === null) return { ok: false, reason: "call-unauthenticated" };
    const content = parseCallContent(plaintext);
    if (content === undefined) return { ok: false, reason: "call-malformed" };
    const skewMs = content.sentAt - wallNow;
    if (Math.abs(skewMs) > MAX_CALL_SKEW_MS) return { ok: false, reason: "call-stale", skewMs };
    // Our own clock was ahead then: nothing that is not stale would ever be younger. What left before this moment is old.
    if (this.#lastAcceptedAt - wallNow > MAX_CALL_SKEW_MS) this.#lastAcceptedAt = wallNow;
    if (content.sentAt <= this.#lastAcceptedAt) return { ok: false, reason: "call-replayed" };
    this.#lastAcceptedAt = content.sentAt;
    return { ok: true, body: content.body, passphraseProof: content.passphraseProof };
  }
}
