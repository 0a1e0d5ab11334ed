/**
 * Mutated real messages against the codecs and machines that read what anybody may send: STUN, TURN, checks of paths,
 * and a relay. Seeded; a failure names seed and input. A long run: `npm run fuzz`, or `ASTERISM_FUZZ_SECONDS=600`, with
 * another seed by `ASTERISM_FUZZ_SEED`.
 */

import { concatBytes, encodeHex, encodeUtf8 } from "@asterism/core/bytes";
import { derivePairKeys, PeerPaths } from "@asterism/core/paths";
import {
  encodeErrorCode,
  encodeStun,
  encodeUint32,
  encodeXorAddress,
  longTermKey,
  looksLikeStun,
  parseAttributeTypes,
  parseChangeRequest,
  parseErrorCode,
  parseStun,
  readAddress,
  readXorAddress,
  STUN_ATTRIBUTE,
  type StunMessage,
  unknownRequiredAttributes,
  verifyFingerprint,
  verifyIntegrity,
} from "@asterism/core/stun";
import { addMs, type Instant } from "@asterism/core/time";
import {
  encodeAddressFamily,
  encodeChannelData,
  encodeChannelNumber,
  encodeEvenPort,
  encodeRequestedTransport,
  parseAddressError,
  parseChannelData,
  parseIcmp,
  parsePasswordAlgorithms,
  TURN_ATTRIBUTE,
  TURN_METHOD,
  type TurnFrame,
  TurnStreamReader,
} from "@asterism/core/turn";
import { describe, expect, it } from "vitest";
import { SimulatedRelay } from "../../../relay/test/simulated-relay.ts";
import { SeededRandom } from "../../src/virtual-internet/seeded-random.ts";
import { mutate } from "./mutations.ts";

const SECONDS = Number(process.env["ASTERISM_FUZZ_SECONDS"] ?? "0");
const SEED = Number(process.env["ASTERISM_FUZZ_SEED"] ?? "1");
const SHORT_RUNS = 3_000;

const ID = Uint8Array.from({ length: 12 }, (_, index) => index);
const PEER = { address: "192.0.2.9", port: 5_000 };
const PEER_V6 = { address: "2001:db8::9", port: 5_000 };
const KEY = longTermKey("user", "asterism", "password");
const OTHER_KEY = new Uint8Array(20);
const LOCAL_KEY = new Uint8Array(32).fill(1);
const REMOTE_KEY = new Uint8Array(32).fill(2);
const text = (type: number, value: string) => ({ type, value: encodeUtf8(value) });

const CHECK_KEYS = derivePairKeys({
  sharedSecret: new Uint8Array(32).fill(3),
  localPublicKey: LOCAL_KEY,
  remotePublicKey: REMOTE_KEY,
});
if (CHECK_KEYS === null) throw new Error("no keys");
const KEYS = CHECK_KEYS;

/** What agents, relays and their clients really send. */
const STUN_CORPUS: readonly Uint8Array[] = [
  encodeStun({ class: "request", method: 1, transactionId: ID, attributes: [], fingerprint: true }),
  encodeStun({
    class: "success",
    method: 1,
    transactionId: ID,
    attributes: [
      { type: STUN_ATTRIBUTE.xorMappedAddress, value: encodeXorAddress(PEER, ID) },
      text(STUN_ATTRIBUTE.software, "asterism"),
    ],
  }),
  encodeStun({
    class: "error",
    method: TURN_METHOD.allocate,
    transactionId: ID,
    attributes: [
      { type: STUN_ATTRIBUTE.errorCode, value: encodeErrorCode({ code: 401, reason: "Unauthenticated" }) },
      text(STUN_ATTRIBUTE.realm, "asterism"),
      text(STUN_ATTRIBUTE.nonce, "0123456789abcdef"),
    ],
  }),
  turnRequest(TURN_METHOD.allocate, [
    { type: TURN_ATTRIBUTE.requestedTransport, value: encodeRequestedTransport(17) },
    { type: TURN_ATTRIBUTE.requestedAddressFamily, value: encodeAddressFamily(6) },
    { type: TURN_ATTRIBUTE.evenPort, value: encodeEvenPort(true) },
  ]),
  turnRequest(TURN_METHOD.refresh, [{ type: TURN_ATTRIBUTE.lifetime, value: encodeUint32(600) }]),
  turnRequest(TURN_METHOD.createPermission, [
    { type: TURN_ATTRIBUTE.xorPeerAddress, value: encodeXorAddress(PEER, ID) },
    { type: TURN_ATTRIBUTE.xorPeerAddress, value: encodeXorAddress(PEER_V6, ID) },
  ]),
  turnRequest(TURN_METHOD.channelBind, [
    { type: TURN_ATTRIBUTE.channelNumber, value: encodeChannelNumber(0x4001) },
    { type: TURN_ATTRIBUTE.xorPeerAddress, value: encodeXorAddress(PEER, ID) },
  ]),
  encodeStun({
    class: "indication",
    method: TURN_METHOD.send,
    transactionId: ID,
    attributes: [
      { type: TURN_ATTRIBUTE.xorPeerAddress, value: encodeXorAddress(PEER, ID) },
      { type: TURN_ATTRIBUTE.data, value: new Uint8Array(37) },
    ],
  }),
  // The request of RFC 3489, which has no magic cookie.
  Uint8Array.from([0, 1, 0, 8, ...Array.from({ length: 16 }, (_, index) => index), 0, 3, 0, 4, 0, 0, 0, 6]),
];

const CHANNEL_CORPUS: readonly Uint8Array[] = [0, 1, 100].map((size) =>
  encodeChannelData({ channel: 0x4001, data: new Uint8Array(size) }, "padded"),
);

function turnRequest(method: number, attributes: readonly { type: number; value: Uint8Array }[]): Uint8Array {
  return encodeStun({
    class: "request",
    method,
    transactionId: ID,
    attributes: [
      ...attributes,
      text(STUN_ATTRIBUTE.username, "1800000000:user"),
      text(STUN_ATTRIBUTE.realm, "asterism"),
      text(STUN_ATTRIBUTE.nonce, "0123456789abcdef"),
    ],
    integrity: { kind: "sha1", key: KEY },
  });
}

/** Feeds a target mutated messages for as long as asked; says with which input it failed. */
function fuzz(corpus: readonly Uint8Array[], target: (bytes: Uint8Array, random: SeededRandom) => void): void {
  const random = new SeededRandom(SEED);
  const endsAt = performance.now() + SECONDS * 1_000;
  for (let run = 0; SECONDS > 0 ? performance.now() < endsAt : run < SHORT_RUNS; run++) {
    const bytes = mutate(corpus, random);
    try {
      target(bytes, random);
    } catch (error: unknown) {
      throw new Error(`seed ${SEED}, run ${run}, input ${encodeHex(bytes)}`, { cause: error });
    }
  }
}

describe("mutated messages", { timeout: (SECONDS + 60) * 1_000 }, () => {
  it("are read or refused by the STUN codec, and what is read is within the bytes", () => {
    let read = 0;
    fuzz(STUN_CORPUS, (bytes) => {
      looksLikeStun(bytes);
      const result = parseStun(bytes);
      if (!result.ok) return;
      read += 1;
      const valueBytes = result.message.attributes.reduce((sum, { value }) => sum + 4 + value.length, 20);
      expect(valueBytes).toBeLessThanOrEqual(bytes.length);
      // Nobody without the key makes a valid one.
      expect(verifyIntegrity(result.message, "sha1", OTHER_KEY)).not.toBe("valid");
      expect(verifyIntegrity(result.message, "sha256", OTHER_KEY)).not.toBe("valid");
      verifyFingerprint(result.message);
      unknownRequiredAttributes(result.message, new Set());
      readValues(result.message);
    });
    expect(read).toBeGreaterThan(100);
  });

  it("are read or refused as ChannelData, which is written as it was read", () => {
    fuzz(CHANNEL_CORPUS, (bytes) => {
      const result = parseChannelData(bytes);
      if (!result.ok) return;
      const again = encodeChannelData(result, "padded");
      const sizeBytes = 4 + result.data.length;
      expect(bytes.slice(0, sizeBytes)).toEqual(again.slice(0, sizeBytes));
    });
  });

  it("in a stream give the same frames however it is cut, and keep no more than one frame", () => {
    fuzz([...STUN_CORPUS, ...CHANNEL_CORPUS], (bytes, random) => {
      const stream = concatBytes(STUN_CORPUS[0] ?? bytes, bytes, CHANNEL_CORPUS[2] ?? bytes);
      const [whole, cut] = [new TurnStreamReader({ maxFrameBytes: 512 }), new TurnStreamReader({ maxFrameBytes: 512 })];
      const expected = whole.handleStream(stream).map(copyFrame);
      const frames: TurnFrame[] = [];
      for (let at = 0; at < stream.length; ) {
        const end = at + random.between(1, 60);
        frames.push(...cut.handleStream(stream.subarray(at, end)).map(copyFrame));
        expect(cut.pendingBytes).toBeLessThanOrEqual(512);
        at = end;
      }
      expect(frames).toEqual(expected);
      expect([cut.isOutOfStep, cut.drops]).toEqual([whole.isOutOfStep, whole.drops]);
    });
  });

  it("get no answer of a path machine, and teach it nothing", () => {
    const now = 1_000_000 as Instant;
    const make = (): PeerPaths => {
      const random = new SeededRandom(1);
      const paths = new PeerPaths({ keys: KEYS, random: (size) => random.bytes(size), overlayMtuBytes: 1_408 });
      const address = { address: "192.0.2.1", port: 41_641 };
      paths.handleLocalCandidates([{ kind: "host", address, linkId: 1, priority: 1 }], now);
      return paths;
    };
    const forged = [...STUN_CORPUS, check(new Uint8Array(32))];
    const from = { linkId: 1, remote: PEER, channel: null };
    const paths = make();
    let at = now;
    fuzz(forged, (bytes) => {
      at = addMs(at, 10);
      const parsed = parseStun(bytes);
      if (!parsed.ok) return;
      expect(paths.handleCheck(parsed.message, from, at)).toBeDefined();
      expect(paths.pollTransmit()).toBeUndefined();
    });
    expect(paths.snapshot(at).paths).toEqual([]);
  });

  it("that are no proof of an address get at most three times their bytes from a relay, and no allocation", () => {
    const relay = new SimulatedRelay();
    let answers = 0;
    fuzz(STUN_CORPUS, (bytes, random) => {
      relay.advance(200);
      const isV6 = random.chance(0.2);
      const stranger = { address: `198.51.100.${random.between(1, 254)}`, port: random.between(1, 65_535) };
      const from = {
        via: "udp",
        listenerId: isV6 ? 2 : random.between(0, 1),
        remote: isV6 ? PEER_V6 : stranger,
      } as const;
      const answer = relay.exchange(bytes, from);
      if (answer !== undefined) answers += 1;
      expect(answer?.length ?? 0).toBeLessThanOrEqual(3 * bytes.length);
      expect(relay.server.pollTransmit()).toBeUndefined();
    });
    expect(answers).toBeGreaterThan(100);
    expect(relay.table.allocations.size).toBe(0);
  });
});

function readValues(message: StunMessage): void {
  for (const { type, value } of message.attributes) {
    readXorAddress(message, type);
    readAddress(message, type);
    for (const parse of [parseErrorCode, parseChangeRequest, parseAttributeTypes]) parse(value);
    for (const parse of [parseAddressError, parseIcmp, parsePasswordAlgorithms]) parse(value);
  }
}

/** A check of the peer, but for the key. */
function check(key: Uint8Array): Uint8Array {
  return encodeStun({
    class: "request",
    method: 1,
    transactionId: ID,
    attributes: [
      text(STUN_ATTRIBUTE.username, KEYS.receiveCheckId),
      { type: STUN_ATTRIBUTE.priority, value: encodeUint32(1) },
    ],
    integrity: { kind: "sha256", key },
    fingerprint: true,
  });
}

function copyFrame({ kind, bytes }: TurnFrame): TurnFrame {
  return { kind, bytes: bytes.slice() };
}
