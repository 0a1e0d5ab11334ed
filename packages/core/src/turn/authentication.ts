/**
 * The long-term credential mechanism, client side (RFC 8489 §9.2): learns realm, nonce and algorithm from the server's
 * challenge, signs requests and verifies answers.
 */
import { encodeUtf8, parseUtf8 } from "../bytes/index.ts";
import {
  encodePasswordAlgorithm,
  findAttribute,
  type IntegrityKind,
  longTermKey,
  STUN_ATTRIBUTE,
  type StunMessage,
  type StunToEncode,
  type Verdict,
  verifyIntegrity,
} from "../stun/index.ts";
import { parsePasswordAlgorithms } from "./attribute-values.ts";
import type { TurnCredentials } from "./credentials.ts";
import { parseNonceFeatures } from "./nonce-cookie.ts";

export type SignedParts = Pick<StunToEncode, "attributes"> & Required<Pick<StunToEncode, "integrity">>;

interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  readonly kind: IntegrityKind;
  readonly key: Uint8Array;
  /** The server's PASSWORD-ALGORITHMS, which the client must send back as it is, and the choice among them. */
  readonly algorithms: { readonly offered: Uint8Array; readonly chosen: 1 | 2 } | undefined;
}

const MD5 = 1;
const SHA256 = 2;

export class TurnAuthentication {
  readonly #credentials: TurnCredentials;
  #challenge: Challenge | undefined;

  constructor(credentials: TurnCredentials) {
    this.#credentials = credentials;
  }

  get username(): string {
    return this.#credentials.username;
  }

  /** False if the answer is no challenge that we can meet; what was known stays. */
  handleChallenge(answer: StunMessage): boolean {
    const realm = readText(answer, STUN_ATTRIBUTE.realm) ?? this.#challenge?.realm;
    const nonce = readText(answer, STUN_ATTRIBUTE.nonce);
    if (realm === undefined || nonce === undefined || nonce === "") return false;
    const offered = findAttribute(answer, STUN_ATTRIBUTE.passwordAlgorithms);
    // The nonce can't be edited without the server's noticing: an offer that it promises has been taken out.
    if (!parseNonceFeatures(nonce).passwordAlgorithms) return this.#accept(realm, nonce, undefined);
    const algorithms = offered === undefined ? undefined : parsePasswordAlgorithms(offered);
    if (offered === undefined || algorithms === undefined) return false;
    const chosen = [SHA256, MD5].find((algorithm) => algorithms.includes(algorithm));
    if (chosen === undefined) return false;
    return this.#accept(realm, nonce, { offered: offered.slice(), chosen: chosen === SHA256 ? SHA256 : MD5 });
  }

  /** What to add to a request; undefined before the first challenge. */
  sign(): SignedParts | undefined {
    const challenge = this.#challenge;
    if (challenge === undefined) return undefined;
    const attributes: { type: number; value: Uint8Array }[] = [
      { type: STUN_ATTRIBUTE.username, value: encodeUtf8(this.#credentials.username) },
      { type: STUN_ATTRIBUTE.realm, value: encodeUtf8(challenge.realm) },
      { type: STUN_ATTRIBUTE.nonce, value: encodeUtf8(challenge.nonce) },
    ];
    if (challenge.algorithms !== undefined) {
      const { offered, chosen } = challenge.algorithms;
      attributes.push({ type: STUN_ATTRIBUTE.passwordAlgorithms, value: offered.slice() });
      attributes.push({ type: STUN_ATTRIBUTE.passwordAlgorithm, value: encodePasswordAlgorithm(chosen) });
    }
    return { attributes, integrity: { kind: challenge.kind, key: challenge.key } };
  }

  verify(answer: StunMessage): Verdict {
    if (this.#challenge === undefined) return "absent";
    return verifyIntegrity(answer, this.#challenge.kind, this.#challenge.key);
  }

  #accept(realm: string, nonce: string, algorithms: Challenge["algorithms"]): true {
    const { username, password } = this.#credentials;
    const key = longTermKey(username, realm, password, algorithms?.chosen === SHA256 ? "sha256" : "md5");
    // With PASSWORD-ALGORITHMS only the longer MAC will do (RFC 8489 §9.2.4).
    this.#challenge = { realm, nonce, kind: algorithms === undefined ? "sha1" : "sha256", key, algorithms };
    return true;
  }
}

function readText(message: StunMessage, type: number): string | undefined {
  const value = findAttribute(message, type);
  return value === undefined ? undefined : parseUtf8(value);
}
