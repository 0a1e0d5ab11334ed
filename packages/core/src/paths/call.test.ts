import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nobleCrypto } from "../../test/noble-crypto.ts";
import { seededRandom } from "../../test/seeded-random.ts";
import { concatBytes, encodeUtf8 } from "../bytes/index.ts";
import type { WallTime } from "../time.ts";
import { CallBox, MAX_CALL_BYTES, MAX_CALL_SKEW_MS } from "./call.ts";
import type { CallBody } from "./call-body.ts";
import { type CandidateKind, MAX_CANDIDATES } from "./candidate.ts";
import { derivePairKeys, type PairKeys } from "./check-keys.ts";

const NOW = 1_800_000_000_000 as WallTime;
const LOW = new Uint8Array(32).fill(1);
const HIGH = new Uint8Array(32).fill(2);

function keysOf(localPublicKey: Uint8Array, remotePublicKey: Uint8Array): PairKeys {
  const keys = derivePairKeys({ sharedSecret: new Uint8Array(32).fill(3), localPublicKey, remotePublicKey });
  if (keys === null) throw new Error("no keys");
  return keys;
}

function box(keys: PairKeys, seed = 1): CallBox {
  return new CallBox({ keys, crypto: nobleCrypto, random: seededRandom(seed) });
}

function pair(): { a: CallBox; b: CallBox } {
  return { a: box(keysOf(LOW, HIGH), 1), b: box(keysOf(HIGH, LOW), 2) };
}

function later(ms: number): WallTime {
  return (NOW + ms) as WallTime;
}

const OFFER: CallBody = {
  type: "offer",
  callId: "0123456789abcdef",
  candidates: [{ kind: "host", address: { address: "192.0.2.1", port: 41641 }, priority: 5 }],
};

/** Seals any plaintext as peer A would. */
function sealRaw(plaintext: string): Uint8Array {
  const version = Uint8Array.of(1);
  const nonce = new Uint8Array(12);
  const { callSendKey } = keysOf(LOW, HIGH);
  return concatBytes(
    version,
    nonce,
    nobleCrypto.chacha20Poly1305Seal(callSendKey, nonce, version, encodeUtf8(plaintext)),
  );
}

describe("pair keys", () => {
  it("are the same at both ends, mirrored", () => {
    const a = keysOf(LOW, HIGH);
    const b = keysOf(HIGH, LOW);
    expect(a.checkKey).toEqual(b.checkKey);
    expect(a.sendCheckId).toBe(b.receiveCheckId);
    expect(a.receiveCheckId).toBe(b.sendCheckId);
    expect(a.callSendKey).toEqual(b.callReceiveKey);
    expect(a.callReceiveKey).toEqual(b.callSendKey);
    expect(a.sendCheckId).not.toBe(a.receiveCheckId);
    expect(a.sendCheckId).toHaveLength(16);
    expect(a.callSendKey).not.toEqual(a.callReceiveKey);
  });

  it("depend on the secret and on both keys", () => {
    const other = derivePairKeys({
      sharedSecret: new Uint8Array(32).fill(4),
      localPublicKey: LOW,
      remotePublicKey: HIGH,
    });
    expect(other?.sendCheckId).not.toBe(keysOf(LOW, HIGH).sendCheckId);
    expect(keysOf(LOW, new Uint8Array(32).fill(9)).checkKey).not.toEqual(keysOf(LOW, HIGH).checkKey);
  });

  it("do not exist for a key of small order", () => {
    expect(derivePairKeys({ sharedSecret: null, localPublicKey: LOW, remotePublicKey: HIGH })).toBeNull();
  });
});

describe("sealed calls", () => {
  it("open as they were sealed", () => {
    const anyCandidate = fc.record({
      kind: fc.constantFrom<CandidateKind>("host", "server-reflexive", "port-mapped", "relayed"),
      address: fc.record({
        address: fc.constantFrom("192.0.2.1", "10.0.0.1", "2001:db8::1", "fd00::5"),
        port: fc.integer({ min: 1, max: 65_535 }),
      }),
      priority: fc.integer({ min: 0, max: 0x7fff_ffff }),
    });
    const anyBody = fc.record({
      type: fc.constantFrom("offer" as const, "answer" as const, "update" as const),
      callId: fc.constant("00ff00ff00ff00ff"),
      candidates: fc.array(anyCandidate, { maxLength: MAX_CANDIDATES }),
    });
    fc.assert(
      fc.property(anyBody, fc.option(fc.string({ maxLength: 64 })), (body, passphraseProof) => {
        const { a, b } = pair();
        const sealed = a.seal(body, passphraseProof, NOW);
        expect(sealed.length).toBeLessThanOrEqual(MAX_CALL_BYTES);
        expect(b.open(sealed, NOW)).toEqual({ ok: true, body, passphraseProof });
      }),
    );
  });

  it("open once, and not after a newer one", () => {
    const { a, b } = pair();
    const first = a.seal(OFFER, null, NOW);
    const second = a.seal({ ...OFFER, type: "update" }, null, NOW);
    expect(b.open(second, NOW)).toMatchObject({ ok: true });
    expect(b.open(second, NOW)).toEqual({ ok: false, reason: "call-replayed" });
    expect(b.open(first, NOW)).toEqual({ ok: false, reason: "call-replayed" });
    expect(b.open(a.seal(OFFER, null, later(-1_000)), NOW)).toMatchObject({ ok: true });
  });

  it("open within two minutes of clock difference", () => {
    for (const skewMs of [-MAX_CALL_SKEW_MS - 1, MAX_CALL_SKEW_MS + 1]) {
      const { a, b } = pair();
      expect(b.open(a.seal(OFFER, null, later(skewMs)), NOW)).toEqual({ ok: false, reason: "call-stale", skewMs });
    }
    for (const skewMs of [-MAX_CALL_SKEW_MS, MAX_CALL_SKEW_MS]) {
      const { a, b } = pair();
      expect(b.open(a.seal(OFFER, null, later(skewMs)), NOW)).toMatchObject({ ok: true });
    }
  });

  it("open again after the sender's clock was set right", () => {
    const { a, b } = pair();
    const dayMs = 86_400_000;
    expect(b.open(a.seal(OFFER, null, later(dayMs)), NOW)).toMatchObject({ ok: false, reason: "call-stale" });
    expect(b.open(a.seal(OFFER, null, later(1_000)), later(1_000)).ok).toBe(true);
    // A clock that was a little ahead, whose calls were taken: the next ones are still the younger ones.
    expect(b.open(a.seal(OFFER, null, later(60_000)), later(2_000)).ok).toBe(true);
    expect(b.open(a.seal(OFFER, null, later(3_000)), later(3_000)).ok).toBe(true);
  });

  it("open again after both clocks were set right, and those from before do not", () => {
    const { a, b } = pair();
    const dayMs = 86_400_000;
    const before = a.seal(OFFER, null, NOW);
    expect(b.open(before, NOW).ok).toBe(true);
    expect(b.open(a.seal(OFFER, null, later(dayMs)), later(dayMs)).ok).toBe(true);
    expect(b.open(before, later(1_000))).toMatchObject({ ok: false, reason: "call-replayed" });
    expect(b.open(a.seal(OFFER, null, later(2_000)), later(2_000)).ok).toBe(true);
  });

  it("do not open for others, reflected or changed", () => {
    const { a, b } = pair();
    const sealed = a.seal(OFFER, null, NOW);
    expect(a.open(sealed, NOW)).toEqual({ ok: false, reason: "call-unauthenticated" });
    expect(box(keysOf(new Uint8Array(32).fill(7), LOW)).open(sealed, NOW)).toMatchObject({ ok: false });
    for (let i = 0; i < sealed.length; i++) {
      const changed = sealed.slice();
      changed[i]! ^= 1;
      expect(b.open(changed, NOW).ok).toBe(false);
    }
    expect(b.open(sealed, NOW).ok).toBe(true);
  });

  it("any bytes are dropped with a reason", () => {
    const { b } = pair();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(b.open(bytes, NOW).ok).toBe(false);
      }),
    );
    expect(b.open(new Uint8Array(MAX_CALL_BYTES + 1).fill(1), NOW)).toEqual({ ok: false, reason: "call-malformed" });
  });

  const fields = { type: "offer", callId: "0123456789abcdef", sentAt: NOW, candidates: [] };
  const candidate = { kind: "host", address: "192.0.2.1", port: 1, priority: 1 };
  it.each([
    ["no JSON", "{"],
    ["no object", "null"],
    ["an unknown type", JSON.stringify({ ...fields, type: "hangup" })],
    ["a bad call id", JSON.stringify({ ...fields, callId: "xyz" })],
    ["a fractional time", JSON.stringify({ ...fields, sentAt: NOW + 0.5 })],
    ["too many candidates", JSON.stringify({ ...fields, candidates: new Array(33).fill(candidate) })],
    ["a name for an address", JSON.stringify({ ...fields, candidates: [{ ...candidate, address: "host.example" }] })],
    ["port 0", JSON.stringify({ ...fields, candidates: [{ ...candidate, port: 0 }] })],
    ["a negative priority", JSON.stringify({ ...fields, candidates: [{ ...candidate, priority: -1 }] })],
    ["an unknown kind", JSON.stringify({ ...fields, candidates: [{ ...candidate, kind: "magic" }] })],
    ["a long proof", JSON.stringify({ ...fields, passphraseProof: "x".repeat(65) })],
  ])("with %s are malformed, even if authentic", (_what, plaintext) => {
    expect(pair().b.open(sealRaw(plaintext), NOW)).toEqual({ ok: false, reason: "call-malformed" });
  });

  it("may tell the sender's NATs; what is not understood of that is left out and costs nothing", () => {
    const { a, b } = pair();
    const nats = [
      { family: 4, type: "symmetric", mapping: "address-dependent", filtering: "unknown", udp: true },
    ] as const;
    const opened = b.open(a.seal({ ...OFFER, nats }, null, NOW), NOW);
    expect(opened).toMatchObject({ ok: true, body: { nats } });
    const told = (value: unknown): unknown => {
      const result = pair().b.open(sealRaw(JSON.stringify({ ...fields, nats: value })), NOW);
      return result.ok ? result.body.nats : result;
    };
    expect(told([{ ...nats[0], mapping: "by the moon", udp: undefined }])).toEqual([
      { ...nats[0], mapping: "unknown", udp: null },
    ]);
    expect(
      told([{ ...nats[0], family: 5 }, { ...nats[0], type: "<b>" }, { ...nats[0], udp: 1 }, null]),
    ).toBeUndefined();
    expect(told([{ ...nats[0], family: 5 }, 7])).toEqual([]);
    expect(told("none")).toBeUndefined();
  });

  it("bring addresses to their canonical text and ignore unknown fields", () => {
    const content = { ...fields, later: 1, candidates: [{ ...candidate, address: "2001:DB8:0::1" }] };
    const opened = pair().b.open(sealRaw(JSON.stringify(content)), NOW);
    expect(opened.ok && opened.body.candidates[0]?.address.address).toBe("2001:db8::1");
  });
});
