/** A small TURN relay that speaks the codec, for tests of the client: control only, one client address at a time. */
import { encodeBase64, encodeUtf8, parseUtf8 } from "../src/bytes/index.ts";
import { formatUdpAddress, type UdpAddress } from "../src/net/index.ts";
import {
  encodeAddress,
  encodeErrorCode,
  encodeStun,
  encodeUint32,
  encodeXorAddress,
  findAttribute,
  longTermKey,
  parseStun,
  parseUint32,
  readXorAddress,
  STUN_ATTRIBUTE,
  type StunMessage,
  type StunToEncode,
  verifyIntegrity,
} from "../src/stun/index.ts";
import type { Instant, WallTime } from "../src/time.ts";
import {
  checkTurnUsername,
  encodeAddressError,
  encodeNonceCookie,
  encodePasswordAlgorithms,
  parseAddressFamily,
  parseChannelNumber,
  TURN_ATTRIBUTE,
  TURN_METHOD,
} from "../src/turn/index.ts";

type Attributes = StunToEncode["attributes"];

interface RelayAllocation {
  readonly client: string;
  readonly username: string;
  expiresAt: number;
  /** Until when peers' addresses are permitted. */
  readonly permissions: Map<string, number>;
  readonly channels: Map<number, { readonly peer: string; readonly until: number }>;
  readonly answer: { readonly transactionId: string; readonly bytes: Uint8Array };
}

export interface TestRelayOptions {
  readonly passwordAlgorithms?: boolean;
  readonly families?: readonly (4 | 6)[];
}

export const RELAY_SECRET = "north";
const REALM = "relay.example";
const PERMISSION_MS = 300_000;
const CHANNEL_MS = 600_000;

export class TestRelay {
  readonly #options: TestRelayOptions;
  readonly allocations = new Map<string, RelayAllocation>();
  readonly forbidden = new Set<string>();
  /** Requests by method, the repeated ones too. */
  readonly seen: number[] = [];
  nonceLifetimeMs = 3_600_000;
  lifetimeSeconds = 600;
  quota = 10;
  wallOffsetMs = 1_800_000_000_000;
  alternate: UdpAddress | undefined;
  #epoch = 0;
  #nextPort = 50_000;

  constructor(options: TestRelayOptions = {}) {
    this.#options = options;
  }

  /** All state is lost, and all nonces are. */
  restart(): void {
    this.allocations.clear();
    this.#epoch += 1;
  }

  /** The answer to a datagram, or to a frame of a stream. */
  handle(bytes: Uint8Array, from: UdpAddress, now: Instant): Uint8Array | undefined {
    const parsed = parseStun(bytes);
    if (!parsed.ok || parsed.message.class !== "request") return undefined;
    const { message } = parsed;
    this.seen.push(message.method);
    for (const [key, allocation] of this.allocations) if (allocation.expiresAt <= now) this.allocations.delete(key);
    if (this.alternate !== undefined) {
      const attributes = [{ type: STUN_ATTRIBUTE.alternateServer, value: encodeAddress(this.alternate) }];
      return this.#error(message, 300, undefined, attributes);
    }
    const nonce = this.#nonce(now);
    if (findAttribute(message, STUN_ATTRIBUTE.nonce) === undefined) return this.#challenge(message, 401, nonce);
    const username = parseUtf8(findAttribute(message, STUN_ATTRIBUTE.username) ?? new Uint8Array()) ?? "";
    const checked = checkTurnUsername(RELAY_SECRET, username, (this.wallOffsetMs + now) as WallTime);
    if (!checked.ok) return this.#challenge(message, 401, nonce);
    const key = longTermKey(username, REALM, checked.password, this.#kind === "sha256" ? "sha256" : "md5");
    if (verifyIntegrity(message, this.#kind, key) !== "valid") return this.#challenge(message, 401, nonce);
    if (parseUtf8(findAttribute(message, STUN_ATTRIBUTE.nonce)!) !== nonce) return this.#challenge(message, 438, nonce);
    return this.#authorised(message, from, { username, key }, now);
  }

  get #kind(): "sha1" | "sha256" {
    return this.#options.passwordAlgorithms === true ? "sha256" : "sha1";
  }

  #nonce(now: Instant): string {
    const text = `${this.#epoch}-${Math.floor(now / this.nonceLifetimeMs)}`;
    const cookie = this.#kind === "sha256" ? encodeNonceCookie({ passwordAlgorithms: true, userAnonymity: false }) : "";
    return cookie + encodeBase64(encodeUtf8(text));
  }

  #authorised(
    message: StunMessage,
    from: UdpAddress,
    user: { readonly username: string; readonly key: Uint8Array },
    now: Instant,
  ): Uint8Array {
    const client = formatUdpAddress(from);
    const allocation = this.allocations.get(client);
    const { key } = user;
    if (message.method === TURN_METHOD.allocate) return this.#allocate(message, from, user, now);
    if (allocation === undefined) return this.#error(message, 437, key);
    if (allocation.username !== user.username) return this.#error(message, 441, undefined);
    if (message.method === TURN_METHOD.refresh) return this.#refresh(message, allocation, key, now);
    const peer = readXorAddress(message, TURN_ATTRIBUTE.xorPeerAddress);
    if (peer === undefined) return this.#error(message, 400, key);
    if (this.forbidden.has(peer.address)) return this.#error(message, 403, key);
    allocation.permissions.set(peer.address, now + PERMISSION_MS);
    if (message.method === TURN_METHOD.channelBind) {
      const channel = parseChannelNumber(findAttribute(message, TURN_ATTRIBUTE.channelNumber)!)!;
      const name = formatUdpAddress(peer);
      for (const [number, bound] of allocation.channels) {
        if (bound.until > now && (number === channel) !== (bound.peer === name)) return this.#error(message, 400, key);
      }
      allocation.channels.set(channel, { peer: name, until: now + CHANNEL_MS });
    }
    return this.#success(message, [], key);
  }

  #allocate(
    message: StunMessage,
    from: UdpAddress,
    { username, key }: { readonly username: string; readonly key: Uint8Array },
    now: Instant,
  ): Uint8Array {
    const client = formatUdpAddress(from);
    const existing = this.allocations.get(client);
    const transactionId = encodeBase64(message.transactionId);
    if (existing?.answer.transactionId === transactionId) return existing.answer.bytes;
    if (existing !== undefined) return this.#error(message, 437, key);
    if (this.allocations.size >= this.quota) return this.#error(message, 486, key);
    const attributes = this.#relayedAddresses(message);
    if (attributes === undefined) return this.#error(message, 440, key);
    const mapped = encodeXorAddress(from, message.transactionId);
    attributes.push({ type: STUN_ATTRIBUTE.xorMappedAddress, value: mapped });
    attributes.push({ type: TURN_ATTRIBUTE.lifetime, value: encodeUint32(this.lifetimeSeconds) });
    const bytes = this.#success(message, attributes, key);
    this.allocations.set(client, {
      client,
      username,
      expiresAt: now + this.lifetimeSeconds * 1_000,
      permissions: new Map(),
      channels: new Map(),
      answer: { transactionId, bytes },
    });
    return bytes;
  }

  #relayedAddresses(message: StunMessage): { type: number; value: Uint8Array }[] | undefined {
    const requested = findAttribute(message, TURN_ATTRIBUTE.requestedAddressFamily);
    const additional = findAttribute(message, TURN_ATTRIBUTE.additionalAddressFamily);
    const wanted = [requested === undefined ? 4 : parseAddressFamily(requested)];
    if (additional !== undefined) wanted.push(parseAddressFamily(additional));
    const families: readonly unknown[] = this.#options.families ?? [4, 6];
    if (!wanted.some((family) => families.includes(family))) return undefined;
    return wanted.map((family) => {
      if (!families.includes(family)) {
        const value = encodeAddressError({ family: family === 6 ? 6 : 4, code: 440, reason: "" });
        return { type: TURN_ATTRIBUTE.addressErrorCode, value };
      }
      const address = { address: family === 6 ? "2001:db8::5" : "203.0.113.5", port: this.#nextPort++ };
      return { type: TURN_ATTRIBUTE.xorRelayedAddress, value: encodeXorAddress(address, message.transactionId) };
    });
  }

  #refresh(message: StunMessage, allocation: RelayAllocation, key: Uint8Array, now: Instant): Uint8Array {
    const wanted = parseUint32(findAttribute(message, TURN_ATTRIBUTE.lifetime) ?? new Uint8Array());
    const seconds = wanted === 0 ? 0 : this.lifetimeSeconds;
    if (seconds === 0) this.allocations.delete(allocation.client);
    else allocation.expiresAt = now + seconds * 1_000;
    return this.#success(message, [{ type: TURN_ATTRIBUTE.lifetime, value: encodeUint32(seconds) }], key);
  }

  #challenge(message: StunMessage, code: number, nonce: string): Uint8Array {
    const attributes: { type: number; value: Uint8Array }[] = [
      { type: STUN_ATTRIBUTE.realm, value: encodeUtf8(REALM) },
      { type: STUN_ATTRIBUTE.nonce, value: encodeUtf8(nonce) },
    ];
    if (this.#kind === "sha256") {
      attributes.push({ type: STUN_ATTRIBUTE.passwordAlgorithms, value: encodePasswordAlgorithms([1, 2]) });
    }
    return this.#error(message, code, undefined, attributes);
  }

  #error(message: StunMessage, code: number, key: Uint8Array | undefined, more: Attributes = []): Uint8Array {
    const error = { type: STUN_ATTRIBUTE.errorCode, value: encodeErrorCode({ code, reason: "" }) };
    return this.#encode("error", message, [error, ...more], key);
  }

  #success(message: StunMessage, attributes: Attributes, key: Uint8Array): Uint8Array {
    return this.#encode("success", message, attributes, key);
  }

  #encode(
    messageClass: "success" | "error",
    { method, transactionId }: StunMessage,
    attributes: Attributes,
    key: Uint8Array | undefined,
  ): Uint8Array {
    return encodeStun({
      class: messageClass,
      method,
      transactionId,
      attributes,
      ...(key === undefined ? {} : { integrity: { kind: this.#kind, key } }),
    });
  }
}
