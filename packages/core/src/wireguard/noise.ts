/**
 * The Noise_IKpsk2 handshake of WireGuard. Source: WireGuard paper §5.4.1–5.4.5
 * (https://www.wireguard.com/papers/wireguard.pdf), whose letters this file uses:
 *
 *   ck chaining key    h transcript hash    k AEAD key    e ephemeral    s static    i initiator    r responder
 *
 *   initiation: e, es, s, ss, timestamp          response: e, ee, se, psk, nothing
 *
 * Functions here compute and keep nothing. Every state that one returns holds secrets: its owner calls `wipeNoise`
 * when the handshake has ended in any way. A result of undefined means that the other side's bytes are not
 * authentic or carry a key of small order.
 */
import { encodeUtf8, isAllZero, wipe } from "../bytes/index.ts";
import type { Crypto } from "../identity/index.ts";
import { blake2sHash, blake2sKdf } from "./blake2s.ts";
import type { Initiation, Response } from "./messages.ts";

const CONSTRUCTION = encodeUtf8("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s");
const IDENTIFIER = encodeUtf8("WireGuard v1 zx2c4 Jason@zx2c4.com");
const INITIAL_CK = blake2sHash(CONSTRUCTION);
const INITIAL_H = blake2sHash(INITIAL_CK, IDENTIFIER);
/** Every AEAD key of a handshake seals once. */
const NONCE_ZERO = new Uint8Array(12);
const NOTHING = new Uint8Array(0);

/** Our static key pair. */
export interface NoiseIdentity {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** What a handshake with one peer needs to know of it. */
export interface NoisePeer {
  readonly publicKey: Uint8Array;
  /** X25519 of both static keys; the same on both sides. */
  readonly staticStatic: Uint8Array;
}

/** An initiation that was sent. */
export interface InitiatorState {
  readonly ck: Uint8Array;
  readonly h: Uint8Array;
  readonly ephemeralPrivate: Uint8Array;
}

/** An initiation that was received. */
export interface ResponderState {
  readonly ck: Uint8Array;
  readonly h: Uint8Array;
  readonly ephemeralPublic: Uint8Array;
}

/** An initiation opened as far as the sender's name, which is not proved before the timestamp opens too. */
export interface NamedInitiation {
  readonly staticPublic: Uint8Array;
  readonly ck: Uint8Array;
  readonly h: Uint8Array;
}

/** Keys of transport data, 32 bytes each, seen from this side. */
export interface TransportKeys {
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
}

/** The sealed fields of an initiation to `peer`; undefined if the peer's key is of small order. */
export function sealInitiation(
  crypto: Crypto,
  identity: NoiseIdentity,
  peer: NoisePeer,
  ephemeralPrivate: Uint8Array,
  timestamp: Uint8Array,
): { fields: Omit<Initiation, "kind" | "senderIndex">; state: InitiatorState } | undefined {
  const ephemeral = crypto.x25519PublicKey(ephemeralPrivate);
  const es = crypto.x25519(ephemeralPrivate, peer.publicKey);
  if (es === null) return undefined;
  const [ck1] = kdf1(INITIAL_CK, ephemeral);
  const h1 = blake2sHash(blake2sHash(INITIAL_H, peer.publicKey), ephemeral);
  const [ck2, k1] = kdf2(ck1, es);
  const sealedStatic = crypto.chacha20Poly1305Seal(k1, NONCE_ZERO, h1, identity.publicKey);
  const h2 = blake2sHash(h1, sealedStatic);
  const [ck, k2] = kdf2(ck2, peer.staticStatic);
  const sealedTimestamp = crypto.chacha20Poly1305Seal(k2, NONCE_ZERO, h2, timestamp);
  wipe(es, ck1, ck2, k1, k2);
  return {
    fields: { ephemeral, sealedStatic, sealedTimestamp },
    state: { ck, h: blake2sHash(h2, sealedTimestamp), ephemeralPrivate },
  };
}

/** Learns who claims to have sent an initiation. */
export function openInitiationName(
  crypto: Crypto,
  identity: NoiseIdentity,
  message: Initiation,
): NamedInitiation | undefined {
  const es = crypto.x25519(identity.privateKey, message.ephemeral);
  if (es === null) return undefined;
  const [ck1] = kdf1(INITIAL_CK, message.ephemeral);
  const h1 = blake2sHash(blake2sHash(INITIAL_H, identity.publicKey), message.ephemeral);
  const [ck, k] = kdf2(ck1, es);
  const staticPublic = crypto.chacha20Poly1305Open(k, NONCE_ZERO, h1, message.sealedStatic);
  wipe(es, ck1, k);
  if (staticPublic === null) {
    wipe(ck);
    return undefined;
  }
  return { staticPublic, ck, h: blake2sHash(h1, message.sealedStatic) };
}

/** Proves that the sender holds the static key it named, and opens the timestamp. */
export function openInitiation(
  crypto: Crypto,
  peer: NoisePeer,
  named: NamedInitiation,
  message: Initiation,
): { timestamp: Uint8Array; state: ResponderState } | undefined {
  const [ck, k] = kdf2(named.ck, peer.staticStatic);
  const timestamp = crypto.chacha20Poly1305Open(k, NONCE_ZERO, named.h, message.sealedTimestamp);
  wipe(k);
  if (timestamp === null) {
    wipe(ck);
    return undefined;
  }
  const h = blake2sHash(named.h, message.sealedTimestamp);
  return { timestamp, state: { ck, h, ephemeralPublic: message.ephemeral.slice() } };
}

/** The sealed fields of the response, and the session's keys. */
export function sealResponse(
  crypto: Crypto,
  peer: NoisePeer,
  presharedKey: Uint8Array,
  state: ResponderState,
  ephemeralPrivate: Uint8Array,
): { fields: Pick<Response, "ephemeral" | "sealedNothing">; keys: TransportKeys } | undefined {
  const ephemeral = crypto.x25519PublicKey(ephemeralPrivate);
  const ee = crypto.x25519(ephemeralPrivate, state.ephemeralPublic);
  const se = crypto.x25519(ephemeralPrivate, peer.publicKey);
  if (ee === null || se === null) return undefined;
  const { ck, h, k } = mixResponse(state, ephemeral, ee, se, presharedKey);
  const sealedNothing = crypto.chacha20Poly1305Seal(k, NONCE_ZERO, h, NOTHING);
  const [initiatorSends, responderSends] = kdf2(ck, NOTHING);
  wipe(ck, k, ee, se);
  return { fields: { ephemeral, sealedNothing }, keys: { sendKey: responderSends, receiveKey: initiatorSends } };
}

/** The session's keys on the initiator's side. */
export function openResponse(
  crypto: Crypto,
  identity: NoiseIdentity,
  presharedKey: Uint8Array,
  state: InitiatorState,
  message: Response,
): TransportKeys | undefined {
  const ee = crypto.x25519(state.ephemeralPrivate, message.ephemeral);
  const se = crypto.x25519(identity.privateKey, message.ephemeral);
  if (ee === null || se === null) return undefined;
  const { ck, h, k } = mixResponse(state, message.ephemeral, ee, se, presharedKey);
  const nothing = crypto.chacha20Poly1305Open(k, NONCE_ZERO, h, message.sealedNothing);
  const [initiatorSends, responderSends] = kdf2(ck, NOTHING);
  wipe(ck, k, ee, se);
  if (nothing === null) {
    wipe(initiatorSends, responderSends);
    return undefined;
  }
  return { sendKey: initiatorSends, receiveKey: responderSends };
}

/** X25519 of the two static keys; undefined if the peer's is of small order. */
export function staticStaticOf(crypto: Crypto, identity: NoiseIdentity, peerKey: Uint8Array): Uint8Array | undefined {
  const secret = crypto.x25519(identity.privateKey, peerKey);
  return secret === null || isAllZero(secret) ? undefined : secret;
}

export function wipeNoise(state: InitiatorState | ResponderState | NamedInitiation | undefined): void {
  if (state === undefined) return;
  wipe(state.ck, state.h);
  if ("ephemeralPrivate" in state) wipe(state.ephemeralPrivate);
}

/** Both sides of the response up to its AEAD: e, ee, se, psk. */
function mixResponse(
  state: { readonly ck: Uint8Array; readonly h: Uint8Array },
  ephemeral: Uint8Array,
  ee: Uint8Array,
  se: Uint8Array,
  presharedKey: Uint8Array,
): { ck: Uint8Array; h: Uint8Array; k: Uint8Array } {
  const [ck1] = kdf1(state.ck, ephemeral);
  const [ck2] = kdf1(ck1, ee);
  const [ck3] = kdf1(ck2, se);
  const [ck, t, k] = kdf3(ck3, presharedKey);
  const h = blake2sHash(blake2sHash(state.h, ephemeral), t);
  wipe(ck1, ck2, ck3, t);
  return { ck, h, k };
}

type Keys1 = [Uint8Array];
type Keys2 = [Uint8Array, Uint8Array];
type Keys3 = [Uint8Array, Uint8Array, Uint8Array];

// SAFETY: blake2sKdf returns as many keys as it is asked for.
const kdf1 = (ck: Uint8Array, input: Uint8Array): Keys1 => blake2sKdf(ck, input, 1) as Keys1;
const kdf2 = (ck: Uint8Array, input: Uint8Array): Keys2 => blake2sKdf(ck, input, 2) as Keys2;
const kdf3 = (ck: Uint8Array, input: Uint8Array): Keys3 => blake2sKdf(ck, input, 3) as Keys3;
