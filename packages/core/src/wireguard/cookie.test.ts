import { describe, expect, test } from "vitest";
import { forgedInitiation } from "../../test/forged-initiation.ts";
import { nobleCrypto } from "../../test/noble-crypto.ts";
import { seededRandom } from "../../test/seeded-random.ts";
import { at, makePair, type Pair, path, runTimeouts, WireGuardNode } from "../../test/wireguard-node.ts";
import { isAllZero } from "../bytes/index.ts";
import { UNDER_LOAD_PER_SECOND } from "./constants.ts";
import { CookieKeeper, CookieMaker } from "./cookie.ts";
import { encodeCookieReply, encodeInitiation, mac2Of, parseHandshakeMessage } from "./messages.ts";

const random = seededRandom(7);
const publicKey = nobleCrypto.x25519PublicKey(random(32));
const anInitiation = () =>
  encodeInitiation({ senderIndex: 77, ephemeral: random(32), sealedStatic: random(48), sealedTimestamp: random(28) });

/** The cookie reply in a datagram. */
function replyIn(datagram: Uint8Array) {
  const parsed = parseHandshakeMessage(datagram);
  if (typeof parsed === "string" || parsed.kind !== "cookie-reply") throw new Error("not a cookie reply");
  return parsed;
}

describe("macs and cookies", () => {
  test("mac1 is for one public key and covers every byte before it", () => {
    const message = anInitiation();
    new CookieKeeper(publicKey).addMacs(message, at(0).now);
    expect(new CookieMaker(publicKey, random).isMac1Valid(message)).toBe(true);
    expect(new CookieMaker(random(32), random).isMac1Valid(message)).toBe(false);
    for (const index of [0, 50, 115, 116, 131]) {
      const changed = message.slice();
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(new CookieMaker(publicKey, random).isMac1Valid(changed)).toBe(false);
    }
  });

  test("a cookie makes the next message's mac2 valid, at the address it was sent to, for two minutes", () => {
    const maker = new CookieMaker(publicKey, random);
    const keeper = new CookieKeeper(publicKey);
    const first = anInitiation();
    keeper.addMacs(first, at(0).now);
    expect(isAllZero(mac2Of(first))).toBe(true);
    expect(maker.isMac2Valid(first, path(1), at(0).now)).toBe(false);
    const reply = replyIn(maker.makeReply(first, 77, path(1), at(0).now));
    expect(reply.receiverIndex).toBe(77);
    expect(keeper.acceptReply(reply, at(100).now)).toBe(true);

    const second = anInitiation();
    keeper.addMacs(second, at(5_000).now);
    expect(maker.isMac1Valid(second)).toBe(true);
    expect(maker.isMac2Valid(second, path(1), at(5_000).now)).toBe(true);
    expect(maker.isMac2Valid(second, path(2), at(5_000).now)).toBe(false);
    expect(maker.isMac2Valid(second, path(1, 9), at(5_000).now)).toBe(false);
    expect(maker.isMac2Valid(second, { ...path(1), channel: 0x4000 }, at(5_000).now)).toBe(false);
    expect(maker.isMac2Valid(second, path(1), at(119_999).now)).toBe(true);
    expect(maker.isMac2Valid(second, path(1), at(120_000).now)).toBe(false);

    const late = anInitiation();
    keeper.addMacs(late, at(120_100).now);
    expect(isAllZero(mac2Of(late))).toBe(true);
  });

  test("a reply counts once, for the last message, from the holder of the key", () => {
    const maker = new CookieMaker(publicKey, random);
    const keeper = new CookieKeeper(publicKey);
    const older = anInitiation();
    keeper.addMacs(older, at(0).now);
    const message = anInitiation();
    keeper.addMacs(message, at(0).now);
    const reply = replyIn(maker.makeReply(message, 77, path(1), at(0).now));
    expect(keeper.acceptReply(replyIn(maker.makeReply(older, 77, path(1), at(0).now)), at(1).now)).toBe(false);
    const other = new CookieMaker(random(32), random);
    expect(keeper.acceptReply(replyIn(other.makeReply(message, 77, path(1), at(0).now)), at(1).now)).toBe(false);
    const forged = { ...reply, sealedCookie: reply.sealedCookie.map((byte) => byte ^ 1) };
    expect(keeper.acceptReply(forged, at(1).now)).toBe(false);
    expect(keeper.acceptReply(reply, at(1).now)).toBe(true);
    expect(keeper.acceptReply(reply, at(2).now)).toBe(false);
  });

  test("what was wiped is not used", () => {
    const maker = new CookieMaker(publicKey, random);
    const keeper = new CookieKeeper(publicKey);
    const message = anInitiation();
    keeper.addMacs(message, at(0).now);
    keeper.acceptReply(replyIn(maker.makeReply(message, 1, path(1), at(0).now)), at(0).now);
    keeper.wipe();
    const next = anInitiation();
    keeper.addMacs(next, at(1).now);
    expect(isAllZero(mac2Of(next))).toBe(true);
  });
});

/** Rubbish with a valid mac1, enough of it to put b under load; b's answers are thrown away. */
function flood({ b }: Pair, now: number): void {
  for (let count = 0; count <= UNDER_LOAD_PER_SECOND; count++) {
    b.machine.handleDatagram(forgedInitiation(b.publicKey, random), path(200), at(now));
  }
  b.takeTransmits();
}

describe("a device under load", () => {
  test("answers initiations with cookies; the initiator comes back with mac2 and is served", () => {
    const pair = makePair();
    const { a, b, bAtA } = pair;
    flood(pair, 0);
    a.machine.requestSession(bAtA, at(10));
    const initiation = a.takeMessage();
    expect(b.machine.handleDatagram(initiation, a.address, at(20))).toBe("under-load");
    const [cookie] = b.takeTransmits();
    expect(cookie).toMatchObject({ peer: 0, to: a.address });
    expect(cookie?.bytes).toHaveLength(64);
    expect(a.machine.handleDatagram(cookie?.bytes ?? new Uint8Array(), b.address, at(30))).toBeUndefined();
    expect(a.takeTransmits()).toEqual([]);
    runTimeouts(a, 5_400);
    const again = a.takeMessage();
    expect(isAllZero(mac2Of(again))).toBe(false);
    flood(pair, 5_400);
    expect(b.machine.handleDatagram(again, path(66), at(5_410))).toBe("under-load");
    b.takeTransmits();
    expect(b.machine.handleDatagram(again, a.address, at(5_420))).toBeUndefined();
    expect(a.machine.handleDatagram(b.takeMessage(), b.address, at(5_430))).toBeUndefined();
    expect(a.takeSession().role).toBe("initiator");
  });

  test("serves one source no more often than its rate", () => {
    const pair = makePair();
    const { a, b, bAtA } = pair;
    flood(pair, 0);
    a.machine.requestSession(bAtA, at(0));
    b.machine.handleDatagram(a.takeMessage(), a.address, at(0));
    a.machine.handleDatagram(b.takeMessage(), b.address, at(0));
    runTimeouts(a, 5_400);
    const message = a.takeMessage();
    flood(pair, 5_400);
    const reasons = Array.from({ length: 7 }, () => b.machine.handleDatagram(message, a.address, at(5_400)));
    expect(reasons).toEqual([
      undefined,
      "replayed",
      "replayed",
      "replayed",
      "replayed",
      "rate-limited",
      "rate-limited",
    ]);
  });

  test("computes on the first response to its own initiation, and wants a cookie of who sends wrong ones", () => {
    const pair = makePair();
    const { a, b, bAtA, aAtB } = pair;
    b.machine.requestSession(aAtB, at(0));
    a.machine.handleDatagram(b.takeMessage(), b.address, at(0));
    const response = a.takeMessage();
    flood(pair, 100);
    const other = makePair({ a: new Uint8Array(32).fill(1) });
    other.b.machine.requestSession(other.aAtB, at(0));
    other.a.machine.handleDatagram(other.b.takeMessage(), other.b.address, at(0));
    // A response that fits in index and mac1, but was made under another preshared key.
    expect(b.machine.handleDatagram(other.a.takeMessage(), path(66), at(110))).toBe("wrong-response");
    expect(b.machine.handleDatagram(response, a.address, at(120))).toBe("under-load");
    const [cookie] = b.takeTransmits();
    expect(cookie).toMatchObject({ peer: aAtB, to: a.address });
    // The responder takes the cookie, and its next response carries mac2.
    expect(a.machine.handleDatagram(cookie?.bytes ?? new Uint8Array(), b.address, at(130))).toBeUndefined();
    runTimeouts(b, 5_400);
    expect(a.machine.handleDatagram(b.takeMessage(), b.address, at(5_400))).toBeUndefined();
    const second = a.takeMessage();
    expect(isAllZero(mac2Of(second))).toBe(false);
    flood(pair, 5_410);
    expect(b.machine.handleDatagram(second, a.address, at(5_420))).toBeUndefined();
    expect(a.machine.peerState(bAtA, at(5_420).now).handshaking).toBe(false);
  });

  test("still answers the same initiation on a second path", () => {
    const pair = makePair();
    const { a, b, bAtA } = pair;
    a.machine.requestSession(bAtA, at(0));
    const initiation = a.takeMessage();
    b.machine.handleDatagram(initiation, path(1), at(0));
    const response = b.takeMessage();
    flood(pair, 10);
    expect(b.machine.handleDatagram(initiation, path(2), at(20))).toBeUndefined();
    expect(b.takeMessage()).toEqual(response);
  });

  test("a cookie reply to nothing is dropped", () => {
    const { a, b, bAtA } = makePair();
    const reply = encodeCookieReply({ receiverIndex: 5, nonce: random(24), sealedCookie: random(32) });
    expect(a.machine.handleDatagram(reply, b.address, at(0))).toBe("unknown-index");
    a.machine.requestSession(bAtA, at(0));
    const initiation = a.takeMessage();
    const index = new DataView(initiation.buffer).getUint32(4, true);
    const forged = encodeCookieReply({ receiverIndex: index, nonce: random(24), sealedCookie: random(32) });
    expect(a.machine.handleDatagram(forged, b.address, at(0))).toBe("wrong-cookie");
  });
});

test("a flood costs a bounded number of answers", () => {
  const node = new WireGuardNode(3);
  const message = forgedInitiation(node.publicKey, random);
  const reasons: Record<string, number> = {};
  for (let count = 0; count < 5_000; count++) {
    const reason = node.machine.handleDatagram(message, path(count % 250), at(0)) ?? "accepted";
    reasons[reason] = (reasons[reason] ?? 0) + 1;
    node.drain();
  }
  expect(reasons).toEqual({ undecryptable: UNDER_LOAD_PER_SECOND, "under-load": 5_000 - UNDER_LOAD_PER_SECOND });
  expect(node.takeTransmits()).toHaveLength(2_000);
});
