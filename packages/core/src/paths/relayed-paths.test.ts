import { describe, expect, it } from "vitest";
import { seededRandom } from "../../test/seeded-random.ts";
import type { PathAddress, UdpAddress } from "../net/index.ts";
import { parseStun, type StunMessage } from "../stun/index.ts";
import { addMs, type Instant } from "../time.ts";
import {
  type CandidateKind,
  candidatePriority,
  type LocalCandidate,
  type RemoteCandidate,
  STREAM_PREFERENCE,
} from "./candidate.ts";
import { derivePairKeys } from "./check-keys.ts";
import { encodeCheckAnswer, encodeCheckRequest } from "./check-message.ts";
import type { PeerPathsEvent } from "./path-types.ts";
import { PeerPaths } from "./peer-paths.ts";
import { type ChannelPlace, MAX_CHANNELS_EACH } from "./relay-channels.ts";

const START = 1_000_000 as Instant;
const RELAY = { address: "198.51.100.1", port: 3_478 };
const OWN_RELAYED = { address: "198.51.100.1", port: 50_000 };
const [LOW, HIGH] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
const SECRET = new Uint8Array(32).fill(3);
const KEYS = derivePairKeys({ sharedSecret: SECRET, localPublicKey: LOW, remotePublicKey: HIGH })!;
const KEYS_OF_B = derivePairKeys({ sharedSecret: SECRET, localPublicKey: HIGH, remotePublicKey: LOW })!;

const HOST: LocalCandidate = {
  kind: "host",
  address: { address: "192.168.1.2", port: 41_641 },
  linkId: 1,
  priority: candidatePriority("host", 0),
};
const ALLOCATION: LocalCandidate = {
  kind: "relayed",
  address: OWN_RELAYED,
  linkId: 1,
  priority: candidatePriority("relayed", 0),
  relay: RELAY,
};

function remote(kind: CandidateKind, address: string, port = 41_641): RemoteCandidate {
  return { kind, address: { address, port }, priority: candidatePriority(kind, 0) };
}

function message(bytes: Uint8Array): StunMessage {
  const parsed = parseStun(bytes);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
}

/** One machine with an allocation, and the peer played by hand. */
class Pair {
  readonly paths = new PeerPaths({ keys: KEYS, random: seededRandom(1), overlayMtuBytes: 1_408 });
  readonly events: PeerPathsEvent[] = [];
  readonly sent: { at: Instant; to: PathAddress; bytes: Uint8Array }[] = [];
  now = START;

  constructor(local: readonly LocalCandidate[] = [HOST, ALLOCATION]) {
    this.act(() => this.paths.handleLocalCandidates(local, this.now));
  }

  act(input: () => void): void {
    input();
    for (let event = this.paths.pollEvent(); event !== undefined; event = this.paths.pollEvent()) {
      this.events.push(event);
    }
    for (let sent = this.paths.pollTransmit(); sent !== undefined; sent = this.paths.pollTransmit()) {
      this.sent.push({ at: this.now, ...sent });
    }
  }

  call(...candidates: RemoteCandidate[]): void {
    const body = { type: "answer" as const, callId: "0123456789abcdef", candidates };
    this.act(() => this.paths.handleCall(body, this.now));
  }

  want(): void {
    this.act(() => this.paths.wantPath(this.now));
  }

  bind(peer: UdpAddress, channel: number): PathAddress {
    this.act(() => this.paths.handleChannel({ linkId: 1, relay: RELAY, peer }, channel, this.now));
    return { linkId: 1, remote: RELAY, channel };
  }

  /** Lets time pass; checks on the paths that `answers` names are answered 10 ms later. Somebody talks all the time. */
  run(durationMs: number, answers: (to: PathAddress) => boolean, talks = true): void {
    const end = addMs(this.now, durationMs);
    let talkAt = this.now;
    for (;;) {
      this.#answer(answers);
      const dueAt = this.paths.pollTimeout()?.at ?? end;
      const next = talks && talkAt < dueAt ? talkAt : dueAt;
      if (next >= end) break;
      this.now = Math.max(next, this.now) as Instant;
      if (next === talkAt) {
        talkAt = addMs(talkAt, 1_000);
        this.want();
      }
      this.act(() => this.paths.handleTimeout(this.now));
    }
    this.now = end;
  }

  wanted(): ChannelPlace[] {
    return this.events.flatMap((event) => (event.kind === "channel-wanted" ? [event] : []));
  }

  #answer(answers: (to: PathAddress) => boolean): void {
    for (const { at, to, bytes } of this.sent.splice(0)) {
      const request = message(bytes);
      if (request.class !== "request" || !answers(to)) continue;
      const answer = message(encodeCheckAnswer(KEYS_OF_B, request.transactionId, to.remote));
      this.now = Math.max(this.now, addMs(at, 10)) as Instant;
      this.act(() => this.paths.handleCheck(answer, to, this.now));
    }
  }
}

const RELAYED_B = remote("relayed", "198.51.100.9", 50_001);
const REFLEXIVE_B = remote("server-reflexive", "203.0.113.9", 4_000);
const isRelayed = (to: PathAddress): boolean => to.channel !== null || to.remote.address === "198.51.100.9";

describe("channels", () => {
  it("are asked for to the peer's addresses of global class, the relayed one first, six at most", () => {
    const pair = new Pair();
    pair.want();
    const hosts = Array.from({ length: 8 }, (_, index) => remote("host", `203.0.113.${index + 20}`));
    pair.call(...hosts, remote("host", "10.0.0.1"), remote("host", "2001:db8::7"), REFLEXIVE_B, RELAYED_B);
    const peers = pair.wanted().map(({ peer }) => peer.address);
    expect(peers).toHaveLength(MAX_CHANNELS_EACH);
    expect(peers.slice(0, 2)).toEqual(["198.51.100.9", "203.0.113.9"]);
    expect(peers).not.toContain("10.0.0.1");
    expect(peers).not.toContain("2001:db8::7");
  });

  it("are not asked for while nobody talks, and then for what is known", () => {
    const pair = new Pair([HOST]);
    pair.call(RELAYED_B);
    pair.run(20_000, () => false, false);
    pair.act(() => pair.paths.handleLocalCandidates([HOST, ALLOCATION], pair.now));
    expect(pair.wanted()).toEqual([]);
    pair.want();
    expect(pair.wanted()).toMatchObject([{ linkId: 1, relay: RELAY, peer: RELAYED_B.address }]);
  });

  it("go with the allocation, and their paths with them", () => {
    const pair = new Pair();
    pair.want();
    pair.call(REFLEXIVE_B);
    pair.bind(REFLEXIVE_B.address, 0x4000);
    pair.run(1_000, isRelayed);
    expect(pair.paths.snapshot(pair.now).kind).toBe("relayed");
    pair.act(() => pair.paths.handleLocalCandidates([HOST], pair.now));
    expect(pair.events.filter(({ kind }) => kind === "channel-unwanted")).toHaveLength(1);
    expect(pair.paths.snapshot(pair.now).kind).toBe("none");
  });

  it("that nobody wants make no path, nor do datagrams from unknown ones", () => {
    const pair = new Pair();
    pair.want();
    pair.bind(REFLEXIVE_B.address, 0x4000);
    const request = message(encodeCheckRequest(KEYS_OF_B, new Uint8Array(12).fill(1), 1));
    pair.act(() => pair.paths.handleCheck(request, { linkId: 1, remote: RELAY, channel: 0x4001 }, pair.now));
    expect(pair.paths.snapshot(pair.now).paths).toEqual([]);
  });

  it("are asked for to where only the relay hears the peer, if it is the peer", () => {
    const pair = new Pair();
    pair.call(REFLEXIVE_B);
    const place = { linkId: 1, relay: RELAY, peer: { address: "203.0.113.9", port: 61_000 } };
    const forged = encodeCheckRequest(KEYS, new Uint8Array(12).fill(1), 1);
    pair.act(() => pair.paths.handleIndirectCheck(message(forged), place, pair.now));
    expect(pair.wanted()).toHaveLength(1);
    const genuine = encodeCheckRequest(KEYS_OF_B, new Uint8Array(12).fill(2), 1);
    pair.act(() => pair.paths.handleIndirectCheck(message(genuine), place, pair.now));
    expect(pair.wanted().at(-1)).toMatchObject(place);
    expect(pair.paths.snapshot(pair.now).drops).toEqual({ "check-unauthenticated": 1 });
  });
});

describe("relay first", () => {
  it("checks relayed paths before any other, uses one at once, and the direct one when it answers", () => {
    const pair = new Pair();
    pair.want();
    const direct = remote("server-reflexive", "203.0.113.9", 4_000);
    pair.call(RELAYED_B, direct, ...Array.from({ length: 9 }, (_, index) => remote("host", `203.0.113.${index + 20}`)));
    pair.bind(RELAYED_B.address, 0x4000);
    pair.run(100, isRelayed);
    expect(pair.paths.usablePaths()[0]).toMatchObject({ kind: "relayed", trusted: true });
    pair.run(2_000, (to) => isRelayed(to) || to.remote.address === "203.0.113.9");
    expect(pair.paths.usablePaths()[0]).toMatchObject({ kind: "direct", trusted: true });
    expect(pair.paths.snapshot(pair.now).changes.map(({ why }) => why)).toContain("direct instead of relayed");
    expect(pair.paths.wantsRelay(pair.now)).toBe(false);
  });

  it("never rests on a relay: while traffic flows it calls and checks at least once a minute, for hours", () => {
    const pair = new Pair();
    pair.want();
    pair.call(RELAYED_B, REFLEXIVE_B);
    pair.bind(RELAYED_B.address, 0x4000);
    let longestMs = 0;
    for (let minute = 0; minute < 120; minute++) {
      const before = pair.events.length;
      pair.run(66_000, isRelayed);
      const calls = pair.events.slice(before).filter(({ kind }) => kind === "call").length;
      expect([minute, calls > 0]).toEqual([minute, true]);
      longestMs = Math.max(longestMs, (pair.paths.snapshot(pair.now).nextAttemptAt ?? 0) - pair.now);
      expect(pair.paths.snapshot(pair.now).kind).toBe("relayed");
    }
    expect(longestMs).toBeLessThanOrEqual(60_000);
    pair.run(61_000, () => true);
    expect(pair.paths.snapshot(pair.now).kind).toBe("direct");
  });

  it("prefers one relay to two at about the same speed", () => {
    const pair = new Pair();
    pair.want();
    pair.call(RELAYED_B, REFLEXIVE_B);
    pair.bind(RELAYED_B.address, 0x4000);
    pair.bind(REFLEXIVE_B.address, 0x4001);
    pair.run(3_000, (to) => to.channel !== null);
    expect(pair.paths.usablePaths()[0]?.address).toMatchObject({ channel: 0x4001 });
  });

  it("falls back to the relay when the direct path dies", () => {
    const pair = new Pair();
    pair.want();
    pair.call(RELAYED_B, REFLEXIVE_B);
    pair.bind(RELAYED_B.address, 0x4000);
    pair.run(3_000, () => true);
    expect(pair.paths.usablePaths()[0]?.kind).toBe("direct");
    pair.run(8_000, isRelayed);
    expect(pair.paths.usablePaths()[0]?.kind).toBe("relayed");
  });

  it("forgets a relayed path after minutes without traffic", () => {
    const pair = new Pair();
    pair.want();
    pair.call(RELAYED_B);
    pair.run(2_000, isRelayed);
    pair.run(100_000, isRelayed, false);
    expect(pair.paths.usablePaths()).toHaveLength(1);
    pair.run(300_000, isRelayed, false);
    expect(pair.paths.usablePaths()).toEqual([]);
    expect(pair.paths.pollTimeout()).toBeUndefined();
  });
});

describe("an address of the peer's relay that is learnt before its call", () => {
  const raw = { linkId: 1, remote: RELAYED_B.address, channel: null };

  it("is known as relayed by the priority that the check carries", () => {
    const pair = new Pair([HOST]);
    const request = encodeCheckRequest(KEYS_OF_B, new Uint8Array(12).fill(1), candidatePriority("relayed", 7));
    pair.act(() => pair.paths.handleCheck(message(request), raw, pair.now));
    pair.run(500, isRelayed);
    expect(pair.paths.usablePaths()).toMatchObject([{ kind: "relayed" }]);
  });

  it("and so is one behind a channel, as is that its owner reaches it by a stream", () => {
    const pair = new Pair();
    pair.call(REFLEXIVE_B);
    const place = { linkId: 1, relay: RELAY, peer: RELAYED_B.address };
    const priority = candidatePriority("relayed", STREAM_PREFERENCE);
    const request = encodeCheckRequest(KEYS_OF_B, new Uint8Array(12).fill(1), priority);
    pair.act(() => pair.paths.handleIndirectCheck(message(request), place, pair.now));
    pair.want();
    pair.bind(place.peer, 0x4000);
    pair.run(500, isRelayed);
    expect(pair.paths.usablePaths()[0]?.address).toMatchObject({ channel: 0x4000 });
    pair.bind(REFLEXIVE_B.address, 0x4001);
    pair.run(500, isRelayed);
    expect(pair.paths.usablePaths()[0]?.address).toMatchObject({ channel: 0x4001 });
    expect(pair.paths.snapshot(pair.now).changes.at(-1)?.why).toBe("relayed over UDP instead of a stream");
  });

  it("and by the call at the latest", () => {
    const pair = new Pair([HOST]);
    pair.act(() => pair.paths.handleRoamed(raw, pair.now));
    pair.run(500, isRelayed);
    expect(pair.paths.usablePaths()).toMatchObject([{ kind: "direct" }]);
    pair.call(RELAYED_B);
    expect(pair.paths.usablePaths()).toMatchObject([{ kind: "relayed" }]);
    expect(pair.paths.wantsRelay(pair.now)).toBe(true);
  });
});
