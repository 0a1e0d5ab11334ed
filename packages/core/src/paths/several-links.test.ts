import { describe, expect, it } from "vitest";
import { seededRandom } from "../../test/seeded-random.ts";
import type { PathAddress, UdpAddress } from "../net/index.ts";
import { findAttribute, parseStun, STUN_ATTRIBUTE } from "../stun/index.ts";
import { addMs, type Instant } from "../time.ts";
import { candidatePriority, type LinkTraits, type LocalCandidate } from "./candidate.ts";
import { derivePairKeys, type PairKeys } from "./check-keys.ts";
import { encodeCheckAnswer, encodeCheckRequest } from "./check-message.ts";
import type { UsablePath } from "./path-types.ts";
import { PeerPaths } from "./peer-paths.ts";

const START = 1_000_000 as Instant;
const PEER = { address: "192.0.2.9", port: 41641 };
const [LINE, PHONE] = [1, 2];

function keysOf(local: number, remote: number): PairKeys {
  const [localPublicKey, remotePublicKey] = [new Uint8Array(32).fill(local), new Uint8Array(32).fill(remote)];
  const keys = derivePairKeys({ sharedSecret: new Uint8Array(32).fill(3), localPublicKey, remotePublicKey });
  if (keys === null) throw new Error("no keys");
  return keys;
}

const OURS = keysOf(1, 2);
const THEIRS = keysOf(2, 1);

/** Two links; every check of the links that work is answered after their round trip. */
class TwoLinks {
  now = START;
  readonly paths = new PeerPaths({ keys: OURS, random: seededRandom(1), overlayMtuBytes: 1_408 });
  readonly works = new Set([LINE, PHONE]);
  readonly rttMs = new Map([
    [LINE, 80],
    [PHONE, 20],
  ]);
  /** The links of the checks that told of our place in the network. */
  readonly placeToldBy: number[] = [];
  /** The value of the last COST by each link; undefined if the last check had none. */
  readonly told = new Map<number, number | undefined>();
  #table: readonly UsablePath[] = [];
  readonly #answers: { at: Instant; to: PathAddress; transactionId: Uint8Array }[] = [];
  #checks = 0;

  setTraits(phone: LinkTraits | undefined): void {
    const own = (linkId: number, address: string): LocalCandidate => ({
      kind: "host",
      address: { address, port: 41641 },
      linkId,
      priority: candidatePriority("host", 65_535 - linkId),
    });
    const ofPhone = { ...own(PHONE, "198.51.100.2"), ...(phone === undefined ? {} : { traits: phone }) };
    this.paths.handleLocalCandidates([own(LINE, "203.0.113.2"), ofPhone], this.now);
    this.#drain();
  }

  /** The phone's link is gone. */
  losePhone(): void {
    this.works.delete(PHONE);
    this.paths.setPlace(1);
    const left = this.paths.snapshot(this.now).localCandidates.filter(({ linkId }) => linkId !== PHONE);
    this.paths.handleLocalCandidates(left, this.now);
    this.paths.handleResume(this.now, new Set([PHONE]));
    this.#drain();
  }

  /** The peer has one link, or another one as well. */
  call(another?: UdpAddress): void {
    const known = another === undefined ? [PEER] : [PEER, another];
    const candidates = known.map((address, place) => {
      return { kind: "host" as const, address, priority: candidatePriority("host", known.length - 1 + place) };
    });
    this.paths.handleCall({ type: "answer", callId: "0123456789abcdef", candidates }, this.now);
    this.#drain();
  }

  /** The peer checks the path by this link, and says what it costs there. */
  heardFrom(linkId: number, cost: number): void {
    const id = new Uint8Array(12).fill(++this.#checks);
    const bytes = encodeCheckRequest(THEIRS, id, candidatePriority("peer-reflexive", 0), { cost });
    const parsed = parseStun(bytes);
    if (!parsed.ok) throw new Error(parsed.reason);
    this.paths.handleCheck(parsed.message, { linkId, remote: PEER, channel: null }, this.now);
    this.#drain();
  }

  run(durationMs: number): void {
    const end = addMs(this.now, durationMs);
    for (let talkAt = this.now; talkAt <= end; talkAt = addMs(talkAt, 500)) {
      this.#runTo(talkAt);
      this.paths.wantPath(this.now);
      this.#drain();
    }
  }

  /** Links of the path table, the one in use first. */
  get links(): number[] {
    return this.#table.map(({ address }) => address.linkId);
  }

  get table(): readonly UsablePath[] {
    return this.#table;
  }

  #runTo(end: Instant): void {
    for (;;) {
      const answer = this.#answers.toSorted((a, b) => a.at - b.at)[0];
      const next = Math.min(
        answer?.at ?? Number.POSITIVE_INFINITY,
        this.paths.pollTimeout()?.at ?? Number.POSITIVE_INFINITY,
      );
      if (next > end) break;
      this.now = Math.max(this.now, next) as Instant;
      if (answer !== undefined && answer.at <= this.now) {
        this.#answers.splice(this.#answers.indexOf(answer), 1);
        const parsed = parseStun(encodeCheckAnswer(THEIRS, answer.transactionId, answer.to.remote));
        if (parsed.ok) this.paths.handleCheck(parsed.message, answer.to, this.now);
      } else this.paths.handleTimeout(this.now);
      this.#drain();
    }
    this.now = end;
  }

  #drain(): void {
    for (let event = this.paths.pollEvent(); event !== undefined; event = this.paths.pollEvent()) {
      if (event.kind === "paths") this.#table = event.paths;
    }
    for (let sent = this.paths.pollTransmit(); sent !== undefined; sent = this.paths.pollTransmit()) {
      const parsed = parseStun(sent.bytes);
      if (!parsed.ok || parsed.message.class !== "request") continue;
      const { linkId } = sent.to;
      if (findAttribute(parsed.message, STUN_ATTRIBUTE.place) !== undefined) this.placeToldBy.push(linkId);
      const cost = findAttribute(parsed.message, STUN_ATTRIBUTE.linkCost);
      if (findAttribute(parsed.message, STUN_ATTRIBUTE.padding) === undefined) this.told.set(linkId, cost?.at(-1));
      if (!this.works.has(linkId)) continue;
      const at = addMs(this.now, this.rttMs.get(linkId) ?? 0);
      this.#answers.push({ at, to: sent.to, transactionId: parsed.message.transactionId });
    }
  }
}

function talking(phone?: LinkTraits): TwoLinks {
  const links = new TwoLinks();
  links.setTraits(phone);
  links.paths.wantPath(links.now);
  links.call();
  links.run(2_000);
  return links;
}

describe("what links cost", () => {
  it("the faster link is used where nothing is said of costs", () => {
    const links = talking();
    expect(links.links[0]).toBe(PHONE);
    expect([...links.told.values()]).toEqual([undefined, undefined]);
  });

  it("a costly link is used while no cheaper one works, and no longer", () => {
    const links = talking({ cost: 10 });
    expect(links.links).toEqual([LINE, PHONE]);
    links.works.delete(LINE);
    links.run(20_000);
    expect(links.links).toEqual([PHONE]);
    links.works.add(LINE);
    links.run(60_000);
    expect(links.links).toEqual([LINE, PHONE]);
    expect(links.table.map(({ cost }) => cost)).toEqual([0, 10]);
  });

  it("the peer is told by checks, also when it changes, and goes by it on its side", () => {
    const links = talking({ cost: 10 });
    expect(links.told).toEqual(
      new Map([
        [LINE, undefined],
        [PHONE, 10],
      ]),
    );
    links.setTraits({ cost: 0 });
    links.run(1_000);
    expect(links.told.get(PHONE)).toBeUndefined();
    expect(links.links[0]).toBe(PHONE);
    links.heardFrom(PHONE, 3);
    expect(links.links[0]).toBe(LINE);
    links.heardFrom(LINE, 4);
    expect(links.links[0]).toBe(PHONE);
  });

  it("a limit of a link goes into the table, and changes it at once", () => {
    const links = talking({ cost: 0, capBytesPerSecond: 1_250_000 });
    const caps = (): unknown =>
      links.table.map(({ address, capBytesPerSecond }) => [address.linkId, capBytesPerSecond]);
    expect(caps()).toEqual([
      [PHONE, 1_250_000],
      [LINE, undefined],
    ]);
    links.setTraits({ cost: 0, capBytesPerSecond: 500_000 });
    expect(caps()).toEqual([
      [PHONE, 500_000],
      [LINE, undefined],
    ]);
  });

  it("a limit is shared by the paths over the link that carry together", () => {
    const links = talking({ cost: 0, capBytesPerSecond: 1_000_001 });
    links.paths.setMode({ own: "aggregate", network: null, isPeerAble: true }, links.now);
    links.call({ address: "192.0.2.10", port: 41641 });
    links.run(2_000);
    const caps = links.table.map(({ address, weight, capBytesPerSecond }) => [
      address.linkId,
      weight > 0,
      capBytesPerSecond,
    ]);
    expect(caps.toSorted()).toEqual([
      [LINE, true, undefined],
      [LINE, true, undefined],
      [PHONE, true, 500_001],
      [PHONE, true, 500_001],
    ]);
    links.setTraits({ cost: 0, capBytesPerSecond: 10_000 });
    expect(links.table.find(({ address }) => address.linkId === PHONE)?.capBytesPerSecond).toBe(8_000);
  });
});

describe("a link that is gone", () => {
  it("is left at once, and the peer is told by the other one", () => {
    const links = talking();
    expect(links.links[0]).toBe(PHONE);
    links.losePhone();
    expect(links.links).toEqual([LINE]);
    expect(links.placeToldBy).toEqual([LINE]);
    expect(links.table[0]?.trusted).toBe(true);
  });
});
