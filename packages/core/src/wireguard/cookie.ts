/**
 * Macs and cookies. Source: WireGuard paper §5.3 and §5.4.7.
 *
 * `mac1` shows that the sender knows our public key; every handshake message carries it. A responder under load
 * answers a message without a valid `mac2` with a cookie, which is a mac of the sender's address under a secret that
 * changes every two minutes. The sender keys the `mac2` of its next message with it: it has proved that it
 * receives where it says it is.
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { bytesEqual, concatBytes, encodeUtf8, isAllZero, wipe } from "../bytes/index.ts";
import { type PathAddress, pathAddressKey } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import type { Instant } from "../time.ts";
import { blake2sHash, blake2sMac } from "./blake2s.ts";
import { COOKIE_REFRESH_TIME_MS } from "./constants.ts";
import {
  beforeMac1,
  beforeMac2,
  type CookieReply,
  encodeCookieReply,
  MAC_SIZE_BYTES,
  mac1Of,
  mac2Of,
} from "./messages.ts";

const LABEL_MAC1 = encodeUtf8("mac1----");
const LABEL_COOKIE = encodeUtf8("cookie--");
const SECRET_SIZE_BYTES = 32;
const NONCE_SIZE_BYTES = 24;

/** The key of every `mac1` of messages to the holder of `publicKey`. */
export function mac1KeyOf(publicKey: Uint8Array): Uint8Array {
  return blake2sHash(LABEL_MAC1, publicKey);
}

/** Our side as the one that messages come to: checks macs, makes cookies. */
export class CookieMaker {
  readonly #mac1Key: Uint8Array;
  readonly #replyKey: Uint8Array;
  readonly #random: RandomBytes;
  #secret: { readonly bytes: Uint8Array; readonly madeAt: Instant } | undefined;

  constructor(publicKey: Uint8Array, random: RandomBytes) {
    this.#mac1Key = mac1KeyOf(publicKey);
    this.#replyKey = blake2sHash(LABEL_COOKIE, publicKey);
    this.#random = random;
  }

  isMac1Valid(message: Uint8Array): boolean {
    return bytesEqual(blake2sMac(this.#mac1Key, beforeMac1(message)), mac1Of(message));
  }

  /** True if the sender received our cookie at `from`, not longer ago than the secret lives. */
  isMac2Valid(message: Uint8Array, from: PathAddress, now: Instant): boolean {
    if (isAllZero(mac2Of(message)) || this.#currentSecret(now) === undefined) return false;
    return bytesEqual(blake2sMac(this.#cookieOf(from, now), beforeMac2(message)), mac2Of(message));
  }

  /** The reply to a message with a valid `mac1`. */
  makeReply(message: Uint8Array, senderIndex: number, from: PathAddress, now: Instant): Uint8Array {
    const nonce = this.#random(NONCE_SIZE_BYTES);
    const sealedCookie = xchacha20poly1305(this.#replyKey, nonce, mac1Of(message)).encrypt(this.#cookieOf(from, now));
    return encodeCookieReply({ receiverIndex: senderIndex, nonce, sealedCookie });
  }

  #cookieOf(from: PathAddress, now: Instant): Uint8Array {
    let secret = this.#currentSecret(now);
    if (secret === undefined) {
      secret = this.#random(SECRET_SIZE_BYTES).slice();
      wipe(this.#secret?.bytes);
      this.#secret = { bytes: secret, madeAt: now };
    }
    return blake2sMac(secret, encodeUtf8(pathAddressKey(from)));
  }

  #currentSecret(now: Instant): Uint8Array | undefined {
    const secret = this.#secret;
    return secret !== undefined && now - secret.madeAt < COOKIE_REFRESH_TIME_MS ? secret.bytes : undefined;
  }
}

/** Our side as the one that sends to one peer: puts the macs on messages, keeps the peer's cookie. */
export class CookieKeeper {
  readonly #mac1Key: Uint8Array;
  readonly #replyKey: Uint8Array;
  /** Of the last message sent, as long as no cookie came for it. */
  #awaitedMac1: Uint8Array | undefined;
  #cookie: { readonly bytes: Uint8Array; readonly receivedAt: Instant } | undefined;

  constructor(peerKey: Uint8Array) {
    this.#mac1Key = mac1KeyOf(peerKey);
    this.#replyKey = blake2sHash(LABEL_COOKIE, peerKey);
  }

  /** Fills in `mac1`, and `mac2` where there is a fresh cookie. */
  addMacs(message: Uint8Array, now: Instant): void {
    const mac1 = blake2sMac(this.#mac1Key, beforeMac1(message));
    mac1Of(message).set(mac1);
    this.#awaitedMac1 = mac1;
    if (this.#cookie === undefined) return;
    if (now - this.#cookie.receivedAt >= COOKIE_REFRESH_TIME_MS) {
      wipe(this.#cookie.bytes);
      this.#cookie = undefined;
      return;
    }
    mac2Of(message).set(blake2sMac(this.#cookie.bytes, beforeMac2(message)));
  }

  /** True if the reply answers the last message and was kept. Of several (one per path) the first counts. */
  acceptReply(reply: CookieReply, now: Instant): boolean {
    if (this.#awaitedMac1 === undefined) return false;
    const cookie = openCookie(this.#replyKey, reply, this.#awaitedMac1);
    if (cookie === undefined) return false;
    wipe(this.#cookie?.bytes);
    this.#cookie = { bytes: cookie, receivedAt: now };
    this.#awaitedMac1 = undefined;
    return true;
  }

  wipe(): void {
    wipe(this.#cookie?.bytes);
    this.#cookie = undefined;
    this.#awaitedMac1 = undefined;
  }
}

function openCookie(key: Uint8Array, reply: CookieReply, mac1: Uint8Array): Uint8Array | undefined {
  try {
    const cookie = xchacha20poly1305(key, reply.nonce, mac1).decrypt(concatBytes(reply.sealedCookie));
    return cookie.length === MAC_SIZE_BYTES ? cookie : undefined;
  } catch {
    // The library throws where a tag does not verify: an ordinary outcome on hostile input.
    return undefined;
  }
}
