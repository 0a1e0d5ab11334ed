import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../test/seeded-random.ts";
import { parseIpRange } from "../addresses/index.ts";
import type { PathAddress } from "../net/index.ts";
import { encodeStun, findAttribute, parseStun, STUN_ATTRIBUTE, type StunMessage } from "../stun/index.ts";
import { addMs, type Instant } from "../time.ts";
import type { CallBody } from "./call-body.ts";
import { candidatePriority, type LocalCandidate, type RemoteCandidate } from "./candidate.ts";
import { derivePairKeys, type PairKeys } from "./check-keys.ts";
import { encodeCheckAnswer, encodeCheckRequest } from "./check-message.ts";
import { PeerPaths } from "./peer-paths.ts";

const START = 1_000_000 as Instant;
const OVERLAY = [parseIpRange("100.64.0.0/10")!];

function keysOf(secret: number): { a: PairKeys; b: PairKeys } {
  const sharedSecret = new Uint8Array(32).fill(secret);
  const [low, high] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const a = derivePairKeys({ sharedSecret, localPublicKey: low, remotePublicKey: high });
  const b = derivePairKeys({ sharedSecret, localPublicKey: high, remotePublicKey: low });
  if (a === null || b === null) throw new Error("no keys");
  return { a, b };
}

const KEYS = keysOf(3);

function at(address: string, port = 41641, linkId = 1): PathAddress {
  return { linkId, remote: { address, port }, channel: null };
}

function local(address: string, linkId = 1): LocalCandidate {
  return { kind: "host", address: { address, port: 41641 }, linkId, priority: candidatePriority("host", 0) };
}

function remote(address: string, port = 41641): RemoteCandidate {
  return { kind: "host", address: { address, port }, priority: candidatePriority("host", 0) };
}

function call(type: CallBody["type"], ...candidates: RemoteCandidate[]): CallBody {
  return { type, callId: "0123456789abcdef", candidates };
}

function machine(keys = KEYS.a): PeerPaths {
  const paths = new PeerPaths({ keys, random: seededRandom(1), overlayMtuBytes: 1_408, overlayRanges: OVERLAY });
  paths.handleLocalCandidates([local("192.0.2.1")], START);
  return paths;
}

function message(bytes: Uint8Array): StunMessage {
  const parsed = parseStun(bytes);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
}

interface Sent {
  readonly at: Instant;
  readonly to: PathAddress;
  readonly message: StunMessage;
}

/** Lets time pass and returns what the machine sends. */
function runTo(paths: PeerPaths, end: Instant): Sent[] {
  const sent: Sent[] = [];
  let now = START;
  for (;;) {
    for (let next = paths.pollTransmit(); next !== undefined; next = paths.pollTransmit()) {
      sent.push({ at: now, to: next.to, message: message(next.bytes) });
    }
    const deadline = paths.pollTimeout();
    if (deadline === undefined || deadline.at > end) return sent;
    now = deadline.at;
    paths.handleTimeout(now);
  }
}

/** A check of peer B. */
function requestOfB(transactionByte: number, keys = KEYS.b): Uint8Array {
  return encodeCheckRequest(keys, new Uint8Array(12).fill(transactionByte), candidatePriority("peer-reflexive", 0));
}

/** Makes the path to B at this address work. */
function establish(paths: PeerPaths, address: PathAddress, now = START): void {
  paths.wantPath(now);
  paths.handleCall(call("answer", remote(address.remote.address, address.remote.port)), now);
  for (let sent = paths.pollTransmit(); sent !== undefined; sent = paths.pollTransmit()) {
    const { transactionId } = message(sent.bytes);
    paths.handleCheck(message(encodeCheckAnswer(KEYS.b, transactionId, sent.to.remote)), sent.to, addMs(now, 10));
  }
}

function events(paths: PeerPaths, kind: string): unknown[] {
  const found: unknown[] = [];
  for (let event = paths.pollEvent(); event !== undefined; event = paths.pollEvent()) {
    if (event.kind === kind) found.push(event);
  }
  return found;
}

describe("wishes and calls", () => {
  it("a wish makes an offer with our candidates at once, and again 1, 2, 4 … s later", () => {
    const paths = machine();
    const offers: number[] = [];
    paths.wantPath(START);
    let now = START;
    while (now < addMs(START, 44_000)) {
      for (const event of events(paths, "call")) {
        expect(event).toMatchObject({ body: { type: "offer", candidates: [remote("192.0.2.1")] } });
        offers.push(now - START);
      }
      const deadline = paths.pollTimeout();
      if (deadline === undefined) break;
      now = deadline.at;
      paths.handleTimeout(now);
    }
    expect(offers[0]).toBe(0);
    expect(offers.length).toBeGreaterThan(4);
    for (const [index, sentAt] of offers.slice(1).entries()) {
      const delayMs = sentAt - (offers[index] ?? 0);
      expect(delayMs).toBeGreaterThanOrEqual(500 * 2 ** index);
      expect(delayMs).toBeLessThanOrEqual(1_000 * 2 ** index + 1);
    }
  });

  it("an offer is answered and makes us check every candidate, traffic or not, for a few seconds", () => {
    const paths = machine();
    paths.handleCall(call("offer", remote("203.0.113.1"), remote("10.0.0.7")), START);
    expect(events(paths, "call")).toMatchObject([{ body: { type: "answer", callId: "0123456789abcdef" } }]);
    const sent = runTo(paths, addMs(START, 60_000));
    const targets = sent.map(({ to }) => to.remote.address);
    expect(targets.filter((address) => address === "203.0.113.1")).toHaveLength(6);
    expect(targets.filter((address) => address === "10.0.0.7")).toHaveLength(6);
    expect(sent.at(-1)!.at - START).toBeLessThan(4_000);
    expect(paths.pollTimeout()).toBeUndefined();
    expect(paths.snapshot(addMs(START, 60_000)).attempts.map(({ result }) => result)).toEqual([
      "no-answer",
      "no-answer",
    ]);
  });

  it("addresses where nothing can be are never checked, whatever the peer claims", () => {
    const paths = machine();
    const bad = ["127.0.0.1", "100.64.0.9", "169.254.1.1", "224.0.0.1", "255.255.255.255", "0.0.0.0"];
    paths.handleCall(call("offer", ...bad.map((address) => remote(address))), START);
    // Our own address, in another private network the peer's.
    paths.handleCall(call("offer", remote("192.0.2.1")), START);
    expect(runTo(paths, addMs(START, 10_000))).toEqual([]);
  });

  it("a peer that calls without end makes us send no more than one check every 20 ms", () => {
    const paths = machine();
    let now = START;
    const sent: Instant[] = [];
    let answers = 0;
    for (let i = 0; i < 2_000; i++) {
      now = addMs(now, 5);
      const victims = Array.from({ length: 32 }, (_, n) => remote(`203.0.113.${n + 1}`, 1_000 + (i % 60)));
      paths.handleCall(call("offer", ...victims), now);
      paths.handleTimeout(now);
      while (paths.pollTransmit() !== undefined) sent.push(now);
      answers += events(paths, "call").length;
    }
    expect(sent.length).toBeLessThanOrEqual(10_000 / 20 + 6);
    expect(answers).toBeLessThanOrEqual(10 + 8 + 1);
    expect(paths.snapshot(now).paths.length).toBeLessThanOrEqual(128);
  });
});

describe("checks of the peer", () => {
  it("are answered with the address they came from, and checked in return at once", () => {
    const paths = machine();
    expect(paths.handleCheck(message(requestOfB(1)), at("203.0.113.5", 7), START)).toBeUndefined();
    const sent = runTo(paths, START);
    expect(sent.map(({ message: { class: kind } }) => kind)).toEqual(["success", "request"]);
    expect(sent.map(({ to }) => to)).toEqual([at("203.0.113.5", 7), at("203.0.113.5", 7)]);
  });

  it("are checked in return although our own check has just left, the first time: the peer's NAT may have dropped it", () => {
    const paths = machine();
    paths.handleCall(call("offer", remote("203.0.113.5")), START);
    const kindsAt = (ms: number): string[] =>
      runTo(paths, addMs(START, ms)).map(({ message: { class: kind } }) => kind);
    expect(kindsAt(0)).toEqual(["request"]);
    paths.handleCheck(message(requestOfB(1)), at("203.0.113.5"), addMs(START, 20));
    expect(kindsAt(20)).toEqual(["success", "request"]);
    paths.handleCheck(message(requestOfB(2)), at("203.0.113.5"), addMs(START, 40));
    expect(kindsAt(40)).toEqual(["success"]);
  });

  it("are answered with no more bytes than they had", () => {
    const paths = machine();
    paths.handleCheck(message(requestOfB(1)), at("2001:db8::1"), START);
    const answer = paths.pollTransmit();
    expect(answer!.bytes.length).toBeLessThanOrEqual(requestOfB(1).length + 20);
  });

  it.each([
    ["another pair's key", requestOfB(1, keysOf(4).b)],
    ["our own check id (a reflection)", requestOfB(1, KEYS.a)],
    ["our id but another key", requestOfB(1, { ...keysOf(4).b, sendCheckId: KEYS.b.sendCheckId })],
    [
      "no integrity",
      encodeStun({
        class: "request",
        method: 1,
        transactionId: new Uint8Array(12),
        attributes: [{ type: STUN_ATTRIBUTE.username, value: new TextEncoder().encode(KEYS.b.sendCheckId) }],
      }),
    ],
  ])("with %s get no answer and leave no trace", (_what, bytes) => {
    const paths = machine();
    expect(paths.handleCheck(message(bytes), at("203.0.113.5"), START)).toBe("check-unauthenticated");
    expect(paths.pollTransmit()).toBeUndefined();
    expect(paths.pollTimeout()).toBeUndefined();
    expect(paths.snapshot(START).drops).toEqual({ "check-unauthenticated": 1 });
  });

  it("that were changed on the way get no answer", () => {
    const paths = machine();
    const bytes = requestOfB(1);
    for (let i = 0; i < bytes.length; i++) {
      const changed = bytes.slice();
      changed[i]! ^= 0x40;
      const parsed = parseStun(changed);
      if (!parsed.ok) continue;
      expect(paths.handleCheck(parsed.message, at("203.0.113.5"), START)).toBeDefined();
      expect(paths.pollTransmit()).toBeUndefined();
    }
  });

  it("that are repeated from elsewhere don't lead us there", () => {
    const paths = machine();
    paths.handleCheck(message(requestOfB(1)), at("203.0.113.5"), START);
    runTo(paths, START);
    expect(paths.handleCheck(message(requestOfB(1)), at("203.0.113.66"), START)).toBe("check-replayed");
    const targets = runTo(paths, addMs(START, 10_000)).map(({ to }) => to.remote.address);
    expect(targets).not.toContain("203.0.113.66");
  });

  it("with an attribute we would have to know are refused with 420 and not acted upon", () => {
    const paths = machine();
    const bytes = encodeStun({
      class: "request",
      method: 1,
      transactionId: new Uint8Array(12),
      attributes: [
        { type: STUN_ATTRIBUTE.username, value: new TextEncoder().encode(KEYS.b.sendCheckId) },
        { type: STUN_ATTRIBUTE.priority, value: new Uint8Array(4) },
        { type: 0x7abc, value: new Uint8Array(4) },
      ],
      integrity: { kind: "sha256", key: KEYS.b.checkKey },
      fingerprint: true,
    });
    expect(paths.handleCheck(message(bytes), at("203.0.113.5"), START)).toBe("check-unknown-attribute");
    const [refusal, ...rest] = runTo(paths, START);
    expect(rest).toEqual([]);
    expect(findAttribute(refusal!.message, STUN_ATTRIBUTE.errorCode)?.slice(0, 4)).toEqual(Uint8Array.of(0, 0, 4, 20));
    expect(findAttribute(refusal!.message, STUN_ATTRIBUTE.unknownAttributes)).toEqual(Uint8Array.of(0x7a, 0xbc));
  });

  it("from ever new addresses make no more than four paths a link, and none that works goes", () => {
    const paths = machine();
    establish(paths, at("203.0.113.5"));
    for (let i = 0; i < 100; i++) {
      paths.handleCheck(message(requestOfB(i)), at("198.51.100.1", 10_000 + i), addMs(START, i));
    }
    runTo(paths, addMs(START, 2_000));
    const learnt = paths
      .snapshot(addMs(START, 2_000))
      .paths.filter(({ remoteKind }) => remoteKind === "peer-reflexive");
    expect(learnt.length).toBeLessThanOrEqual(4);
    expect(paths.usablePaths()[0]?.address).toEqual(at("203.0.113.5"));
  });

  it("in a flood are answered at a bounded rate", () => {
    const paths = machine();
    establish(paths, at("203.0.113.5"));
    const dropped = new Set<string | undefined>();
    const answered = new Map<string, number>();
    for (let i = 0; i < 1_500; i++) {
      const transactionId = new Uint8Array(12);
      new DataView(transactionId.buffer).setUint32(0, i);
      const from = at(["198.51.100.1", "198.51.100.2", "203.0.113.5"][Math.floor(i / 500)]!);
      dropped.add(paths.handleCheck(message(encodeCheckRequest(KEYS.b, transactionId, 1)), from, addMs(START, 10)));
      for (let sent = paths.pollTransmit(); sent !== undefined; sent = paths.pollTransmit()) {
        const { address } = sent.to.remote;
        if (message(sent.bytes).class === "success") answered.set(address, (answered.get(address) ?? 0) + 1);
      }
    }
    // Who sends from elsewhere does not keep out what comes from where the peer is known to be.
    expect([...answered]).toEqual([
      ["198.51.100.1", 100],
      ["203.0.113.5", 100],
    ]);
    expect(dropped).toEqual(new Set([undefined, "check-rate-limited"]));
  });
});

describe("answers", () => {
  it("make the path usable and active, with its round-trip time", () => {
    const paths = machine();
    establish(paths, at("203.0.113.5"));
    const path = { address: at("203.0.113.5"), kind: "direct", weight: 1, trusted: true, rttMs: 10, cost: 0 };
    expect(events(paths, "paths")).toEqual([
      { kind: "paths", mode: "best", paths: [{ ...path, mtuBytes: 0 }] },
      { kind: "paths", mode: "best", paths: [{ ...path, mtuBytes: 1_440 }] },
    ]);
    expect(paths.snapshot(addMs(START, 10)).attempts).toMatchObject([{ result: "answered", afterMs: 10 }]);
  });

  it("count losses from the first of them on", () => {
    const paths = machine();
    paths.wantPath(START);
    paths.handleCall(call("answer", remote("203.0.113.5")), START);
    const last = runTo(paths, addMs(START, 700)).at(-1)!;
    const answer = encodeCheckAnswer(KEYS.b, last.message.transactionId, last.to.remote);
    paths.handleCheck(message(answer), last.to, addMs(START, 710));
    runTo(paths, addMs(START, 6_500));
    expect(paths.snapshot(addMs(START, 6_500)).paths).toMatchObject([{ state: "active", lossRatio: 0 }]);
    runTo(paths, addMs(START, 9_000));
    expect(paths.snapshot(addMs(START, 9_000)).paths[0]?.lossRatio).toBeGreaterThan(0);
  });

  it("that nobody asked for change nothing, nor do late ones", () => {
    const paths = machine();
    const unasked = message(encodeCheckAnswer(KEYS.b, new Uint8Array(12), { address: "192.0.2.1", port: 1 }));
    expect(paths.handleCheck(unasked, at("203.0.113.5"), START)).toBe("check-unexpected");
    paths.handleCall(call("offer", remote("203.0.113.5")), START);
    const { transactionId } = message(paths.pollTransmit()!.bytes);
    const answer = message(encodeCheckAnswer(KEYS.b, transactionId, { address: "192.0.2.1", port: 1 }));
    const late = addMs(START, 5_000);
    paths.handleTimeout(late);
    expect(paths.handleCheck(answer, at("203.0.113.5"), late)).toBe("check-unexpected");
    expect(paths.usablePaths()).toEqual([]);
  });

  it("count once", () => {
    const paths = machine();
    paths.handleCall(call("offer", remote("203.0.113.5")), START);
    const { transactionId } = message(paths.pollTransmit()!.bytes);
    const answer = message(encodeCheckAnswer(KEYS.b, transactionId, { address: "192.0.2.1", port: 1 }));
    expect(paths.handleCheck(answer, at("203.0.113.5"), addMs(START, 20))).toBeUndefined();
    expect(paths.handleCheck(answer, at("203.0.113.5"), addMs(START, 900))).toBe("check-unexpected");
    expect(paths.usablePaths()[0]?.rttMs).toBe(20);
  });
});

describe("the active path", () => {
  it("is doubted after five unanswered checks: everything that works carries the traffic and the peer is called", () => {
    const paths = machine();
    establish(paths, at("203.0.113.5"));
    events(paths, "");
    let now = START;
    const seen: unknown[] = [];
    while (now < addMs(START, 6_000)) {
      paths.handleTraffic({ lastSentAt: now, lastReceivedAt: 0 as Instant }, now);
      while (paths.pollTransmit() !== undefined);
      for (const event of events(paths, "paths")) seen.push([now - START, event]);
      now = paths.pollTimeout()?.at ?? addMs(START, 6_000);
      paths.handleTimeout(now);
    }
    expect(seen[0]).toMatchObject([expect.any(Number), { mode: "redundant", paths: [{ trusted: false }] }]);
    const [doubtedAfterMs] = seen[0] as [number];
    expect(doubtedAfterMs).toBeGreaterThan(4_000);
    expect(doubtedAfterMs).toBeLessThan(5_500);
  });

  it("fails in the end, and the table is empty", () => {
    const paths = machine();
    establish(paths, at("203.0.113.5"));
    let now = START;
    while (now < addMs(START, 20_000)) {
      paths.handleTraffic({ lastSentAt: now, lastReceivedAt: 0 as Instant }, now);
      while (paths.pollTransmit() !== undefined);
      now = paths.pollTimeout()?.at ?? addMs(START, 20_000);
      paths.handleTimeout(now);
    }
    expect(paths.usablePaths()).toEqual([]);
    const { kind, changes, attempts } = paths.snapshot(now);
    expect(kind).toBe("none");
    expect(changes.at(-1)).toMatchObject({ to: null, why: "it does not answer any more" });
    expect(attempts.map(({ result }) => result)).toEqual(["answered", "lost", "no-answer"]);
  });

  it("goes with its link", () => {
    const paths = machine();
    establish(paths, at("203.0.113.5"));
    events(paths, "");
    paths.handleLocalCandidates([local("198.51.100.1", 2)], addMs(START, 20));
    const changes = paths.snapshot(addMs(START, 20)).changes;
    expect(changes.at(-1)).toMatchObject({ to: null, why: "its link is gone" });
    const sent = runTo(paths, addMs(START, 20));
    expect(sent.map(({ to }) => to)).toEqual([at("203.0.113.5", 41641, 2)]);
  });
});

describe("several paths", () => {
  it("a relayed one is used at once and left for a direct one, however slow; until then the attempts go on", () => {
    const paths = machine();
    paths.wantPath(START);
    const relay: RemoteCandidate = { kind: "relayed", address: { address: "198.51.100.7", port: 5_000 }, priority: 1 };
    paths.handleCall(call("answer", remote("203.0.113.5"), relay), START);
    answerChecks(paths, "198.51.100.7", addMs(START, 5));
    expect(paths.usablePaths()).toMatchObject([{ kind: "relayed", trusted: true }]);
    expect(paths.snapshot(START).nextAttemptAt).toBeGreaterThan(START);
    const later = addMs(START, 900);
    paths.handleTimeout(later);
    answerChecks(paths, "203.0.113.5", addMs(later, 200));
    expect(paths.usablePaths().map(({ kind, weight }) => [kind, weight])).toEqual([
      ["direct", 1],
      ["relayed", 0],
    ]);
    const { changes, nextAttemptAt } = paths.snapshot(later);
    expect(changes.map(({ why }) => why)).toEqual(["the first path that answered", "direct instead of relayed"]);
    expect(nextAttemptAt).toBeNull();
  });

  it.each([
    ["best", 15_000],
    ["aggregate", 3_000],
  ] as const)("are kept warm: mode %s checks the others every %d ms", (mode, intervalMs) => {
    const paths = new PeerPaths({ keys: KEYS.a, random: seededRandom(1), overlayMtuBytes: 1_408 });
    paths.setMode({ own: mode, network: null, isPeerAble: true }, START);
    paths.handleLocalCandidates([local("192.0.2.1"), local("198.51.100.1", 2)], START);
    paths.handleCall(call("offer", remote("203.0.113.5")), START);
    const checks = new Map<number, Instant[]>([
      [1, []],
      [2, []],
    ]);
    let now = START;
    while (now < addMs(START, 60_000)) {
      paths.handleTraffic({ lastSentAt: now, lastReceivedAt: now }, now);
      for (let sent = paths.pollTransmit(); sent !== undefined; sent = paths.pollTransmit()) {
        if (sent.dontFragment !== true) checks.get(sent.to.linkId)?.push(now);
        const { transactionId } = message(sent.bytes);
        paths.handleCheck(message(encodeCheckAnswer(KEYS.b, transactionId, sent.to.remote)), sent.to, now);
      }
      now = paths.pollTimeout()?.at ?? addMs(START, 60_000);
      paths.handleTimeout(now);
    }
    const active = paths.usablePaths()[0]!.address.linkId;
    expect(checks.get(active)!.length).toBeGreaterThan(18);
    const gaps = checks.get(3 - active)!.map((sentAt, index, all) => sentAt - (all[index - 1] ?? START));
    expect(gaps.slice(1).every((gapMs) => gapMs >= intervalMs && gapMs <= intervalMs + 50)).toBe(true);
    expect(gaps.length).toBeGreaterThan(2);
  });

  it("stay trusted when a link gets one more address, and are checked again when it loses one", () => {
    const paths = machine();
    establish(paths, at("203.0.113.5"));
    const now = addMs(START, 20);
    paths.handleLocalCandidates([local("192.0.2.1"), local("192.0.2.99")], now);
    expect(paths.snapshot(now).trusted).toBe(true);
    paths.handleLocalCandidates([local("192.0.2.99")], now);
    expect(paths.snapshot(now).trusted).toBe(false);
    answerChecks(paths, "203.0.113.5", addMs(now, 10));
    expect(paths.snapshot(now).trusted).toBe(true);
  });
});

/** Answers what the machine has sent to one address; the rest is lost. */
function answerChecks(paths: PeerPaths, address: string, now: Instant): void {
  for (let sent = paths.pollTransmit(); sent !== undefined; sent = paths.pollTransmit()) {
    const { class: kind, transactionId } = message(sent.bytes);
    if (kind !== "request" || sent.to.remote.address !== address) continue;
    paths.handleCheck(message(encodeCheckAnswer(KEYS.b, transactionId, sent.to.remote)), sent.to, now);
  }
}

type Step =
  | { kind: "call"; type: CallBody["type"]; addresses: string[] }
  | { kind: "request"; id: number; from: string; port: number }
  | { kind: "answer-pending"; from: string }
  | { kind: "local"; links: number[] }
  | { kind: "want" | "resume" | "signalling" | "wait" }
  | { kind: "traffic"; agoMs: number }
  | { kind: "roamed"; from: string };

const anyAddress = fc.constantFrom("203.0.113.1", "203.0.113.2", "10.0.0.1", "2001:db8::1", "127.0.0.1", "100.64.0.1");
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("call" as const),
    type: fc.constantFrom("offer" as const, "answer" as const, "update" as const),
    addresses: fc.array(anyAddress, { maxLength: 6 }),
  }),
  fc.record({
    kind: fc.constant("request" as const),
    id: fc.nat(255),
    from: anyAddress,
    port: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({ kind: fc.constant("answer-pending" as const), from: anyAddress }),
  fc.record({ kind: fc.constant("local" as const), links: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }) }),
  fc.record({ kind: fc.constantFrom("want" as const, "resume" as const, "signalling" as const, "wait" as const) }),
  fc.record({ kind: fc.constant("traffic" as const), agoMs: fc.nat(60_000) }),
  fc.record({ kind: fc.constant("roamed" as const), from: anyAddress }),
);

describe("whatever happens", () => {
  it("the machine never throws, always has a later deadline or none, and stays bounded", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyStep, fc.nat(4_000)), { maxLength: 60 }), (steps) => {
        const paths = machine();
        const pending: Uint8Array[] = [];
        let now = START;
        for (const [step, pauseMs] of steps) {
          act(paths, step, pending, now);
          drain(paths, pending, now);
          now = passTime(paths, pending, now, pauseMs);
        }
        const snapshot = paths.snapshot(now);
        expect(snapshot.paths.length).toBeLessThanOrEqual(128);
        expect(paths.usablePaths().length).toBeLessThanOrEqual(16);
        expect((snapshot.active === null) === (paths.usablePaths().length === 0)).toBe(true);
        // Left alone it comes to rest.
        passTime(paths, pending, now, 600_000);
        expect(paths.pollTimeout()).toBeUndefined();
      }),
      { numRuns: 150 },
    );
  });
});

function act(paths: PeerPaths, step: Step, pending: Uint8Array[], now: Instant): void {
  switch (step.kind) {
    case "call":
      paths.handleCall(call(step.type, ...step.addresses.map((address) => remote(address))), now);
      break;
    case "request":
      paths.handleCheck(message(requestOfB(step.id)), at(step.from, step.port), now);
      break;
    case "answer-pending": {
      const transactionId = pending.shift();
      if (transactionId === undefined) return;
      const answer = encodeCheckAnswer(KEYS.b, transactionId, { address: "192.0.2.1", port: 1 });
      paths.handleCheck(message(answer), at(step.from), now);
      break;
    }
    case "local":
      paths.handleLocalCandidates(
        step.links.map((linkId) => local(`192.0.2.${linkId}`, linkId)),
        now,
      );
      break;
    case "want":
      paths.wantPath(now);
      break;
    case "resume":
      paths.handleResume(now);
      break;
    case "signalling":
      paths.handleSignallingReady(now);
      break;
    case "traffic":
      paths.handleTraffic({ lastSentAt: addMs(now, -step.agoMs), lastReceivedAt: 0 as Instant }, now);
      break;
    case "roamed":
      paths.handleRoamed(at(step.from), now);
      break;
    case "wait":
      break;
  }
}

function drain(paths: PeerPaths, pending: Uint8Array[], now: Instant): void {
  for (let sent = paths.pollTransmit(); sent !== undefined; sent = paths.pollTransmit()) {
    const { class: kind, transactionId } = message(sent.bytes);
    if (kind === "request") pending.push(transactionId);
    expect(["127.0.0.1", "100.64.0.1"].includes(sent.to.remote.address) && kind === "request").toBe(false);
  }
  while (paths.pollEvent() !== undefined);
  const deadline = paths.pollTimeout();
  if (deadline !== undefined) expect(deadline.at).toBeGreaterThan(now);
}

function passTime(paths: PeerPaths, pending: Uint8Array[], start: Instant, durationMs: number): Instant {
  const end = addMs(start, durationMs);
  for (
    let deadline = paths.pollTimeout();
    deadline !== undefined && deadline.at <= end;
    deadline = paths.pollTimeout()
  ) {
    paths.handleTimeout(deadline.at);
    drain(paths, pending, deadline.at);
  }
  return end;
}
