import { describe, expect, it } from "vitest";
import type { NatFacts, PortPrediction } from "../../nat/index.ts";
import { TRANSACTION_ID_BYTES } from "../../stun/index.ts";
import { addMs, type Instant } from "../../time.ts";
import { candidatePriority, type LocalCandidate, type RemoteCandidate } from "../candidate.ts";
import { derivePairKeys, type PairKeys } from "../check-keys.ts";
import { encodeCheckRequest } from "../check-message.ts";
import { PathSet } from "../path-set.ts";
import { HolePunch } from "./hole-punch.ts";
import {
  AIMED_SOCKETS,
  AIMED_VOLLEYS,
  ALONE_MS,
  MAX_ATTEMPT_BYTES,
  MAX_ATTEMPT_SOCKETS,
  MAX_OPEN_SOCKETS,
  PROOF_MS,
  PROPOSAL_MS,
} from "./punch-limits.ts";
import type { PunchMessage } from "./punch-message.ts";
import { PunchTurn } from "./punch-turn.ts";
import type { PunchSituation } from "./punch-types.ts";

const START = 10_000 as Instant;
const LINK = 7;
const HERE = { address: "203.0.113.1", port: 4_000 };
const THERE = { address: "203.0.113.2", port: 5_000 };
const VARYING: NatFacts = { family: 4, type: "symmetric", mapping: "unknown", filtering: "unknown", udp: true };
const SAME: NatFacts = { ...VARYING, type: "port-restricted cone", mapping: "endpoint-independent" };

function keysOf(lower: boolean): PairKeys {
  const [low, high] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const [localPublicKey, remotePublicKey] = lower ? [low, high] : [high, low];
  const keys = derivePairKeys({ sharedSecret: new Uint8Array(32).fill(3), localPublicKey, remotePublicKey });
  if (keys === null) throw new Error("no keys");
  return keys;
}

let seed = 1;
function random(sizeBytes: number): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed >> 16;
  });
}

/** One end, with sockets that open at once. */
class End {
  readonly set = new PathSet([], 1_440);
  readonly punch: HolePunch;
  readonly open = new Set<number>();
  readonly sent: { at: number; linkId: number; remote: { address: string; port: number } }[] = [];
  readonly notes: string[] = [];
  mostOpen = 0;
  now = START;
  situation: PunchSituation;
  isEnabled = true;
  hasSockets = true;
  ownPorts: readonly PortPrediction[] = [];
  #nextLinkId = 100;

  constructor(own: NatFacts, peer: NatFacts, options: { turn?: PunchTurn; isLower?: boolean } = {}) {
    const local: LocalCandidate[] = (
      [
        ["host", { address: "192.168.1.2", port: 41_641 }],
        ["server-reflexive", HERE],
      ] as const
    ).map(([kind, address]) => ({ kind, address, linkId: LINK, priority: candidatePriority(kind, 0) }));
    const remote: RemoteCandidate[] = [
      { kind: "server-reflexive", address: THERE, priority: candidatePriority("server-reflexive", 0) },
    ];
    this.set.setLinks(local);
    this.situation = { isWanted: true, isSettled: false, attempts: 1, local, remote };
    const keys = keysOf(options.isLower ?? true);
    const priority = candidatePriority("peer-reflexive", 0);
    this.punch = new HolePunch({
      keys,
      encodeCheck: () => encodeCheckRequest(keys, random(TRANSACTION_ID_BYTES), priority),
      random,
      set: this.set,
      turn: options.turn ?? new PunchTurn(),
      enabled: () => this.isEnabled,
      ownPorts: () => this.ownPorts,
    });
    this.punch.handleOwnNats([own]);
    this.punch.handlePeer([peer], [], this.now);
    this.run(0);
  }

  /** Lets time pass, with an input at each deadline. */
  run(durationMs: number): void {
    const end = addMs(this.now, durationMs);
    for (;;) {
      this.punch.closeUnused(this.now);
      this.punch.update(this.situation, this.now);
      this.#drain();
      const at = this.punch.nextAt();
      if (at === undefined || at > end) break;
      this.now = at > this.now ? at : addMs(this.now, 1);
    }
    this.now = end;
  }

  tell(message: Partial<PunchMessage>): void {
    this.punch.handleMessage(
      { step: "propose", role: "ports", from: THERE, ...message } as PunchMessage,
      this.situation,
      this.now,
    );
    this.#drain();
  }

  hear(linkId: number, port = THERE.port): void {
    this.punch.handleHeard({ linkId, remote: { ...THERE, port }, channel: null }, this.now);
    this.#drain();
  }

  get result(): string | undefined {
    return this.punch.snapshot().attempts.at(-1)?.result;
  }

  #drain(): void {
    for (let event = this.punch.pollEvent(); event !== undefined; event = this.punch.pollEvent()) {
      if (event.kind === "punch-note") this.notes.push(event.text);
      else if (event.kind === "socket-unwanted") this.open.delete(event.linkId);
      else this.#openSocket();
    }
    for (let sent = this.punch.pollTransmit(); sent !== undefined; sent = this.punch.pollTransmit()) {
      this.sent.push({ at: this.now, linkId: sent.to.linkId, remote: sent.to.remote });
    }
  }

  #openSocket(): void {
    const linkId = this.hasSockets ? this.#nextLinkId++ : undefined;
    if (linkId !== undefined) this.open.add(linkId);
    this.mostOpen = Math.max(this.mostOpen, this.open.size);
    this.punch.handleSocketOpened(linkId, this.now);
  }
}

/** An end that has proposed and been accepted. */
function running(own: NatFacts, peer: NatFacts): End {
  const end = new End(own, peer);
  end.run(ALONE_MS);
  const proposal = end.punch.takeMessage();
  end.tell({ step: "accept", role: proposal?.role === "ports" ? "sockets" : "ports" });
  return end;
}

describe("coming to an agreement", () => {
  it("proposes when the ordinary attempt has had its time, and sends nothing before the other accepts", () => {
    const end = new End(VARYING, SAME);
    end.run(ALONE_MS - 1);
    expect(end.punch.takeMessage()).toBeUndefined();
    end.run(1);
    expect(end.punch.takeMessage()).toEqual({ step: "propose", role: "sockets", from: HERE });
    expect(end.sent).toEqual([]);
    end.tell({ step: "accept", role: "ports" });
    end.run(100);
    expect(end.sent.length).toBeGreaterThan(10);
  });

  it("does not propose while a direct path works, without traffic, when switched off, or between two such NATs", () => {
    const settled = new End(VARYING, SAME);
    settled.situation = { ...settled.situation, isWanted: false, isSettled: true };
    const off = new End(VARYING, SAME);
    off.isEnabled = false;
    for (const end of [settled, off, new End(VARYING, VARYING)]) {
      end.run(60_000);
      expect(end.punch.takeMessage()).toBeUndefined();
    }
    expect(off.punch.snapshot().state).toBe("off");
  });

  it("tries even where the NATs don't explain it, but only after several ordinary attempts", () => {
    const end = new End(SAME, SAME);
    end.run(30_000);
    expect(end.punch.takeMessage()).toBeUndefined();
    end.situation = { ...end.situation, attempts: 4 };
    end.run(0);
    expect(end.punch.takeMessage()).toMatchObject({ step: "propose", role: "ports" });
  });

  it("accepts with the other role and begins at once", () => {
    const end = new End(SAME, VARYING);
    end.tell({ step: "propose", role: "sockets" });
    expect(end.punch.takeMessage()).toEqual({ step: "accept", role: "ports", from: HERE });
    end.run(100);
    expect(end.sent.every(({ linkId, remote }) => linkId === LINK && remote.address === THERE.address)).toBe(true);
    expect(end.sent.length).toBeGreaterThan(10);
  });

  it("between two counters both tell the ports that the other should aim at, and open a few sockets to each", () => {
    const counter = { kind: "sequential", step: 2, last: 3_000, at: START, othersPerSecond: 0 } as const;
    const end = new End(VARYING, VARYING);
    end.run(ALONE_MS);
    expect(end.punch.takeMessage()).toBeUndefined();
    end.ownPorts = [{ address: HERE.address, pattern: counter }];
    expect(end.punch.wantsPorts(end.now)).toBe(false);
    end.punch.handlePeer([VARYING], [{ address: THERE.address, pattern: counter }], end.now);
    expect(end.punch.wantsPorts(end.now)).toBe(true);
    end.run(0);
    const from = { ...HERE, port: 3_000 + AIMED_SOCKETS + 2 };
    const furtherPorts = [from.port + 2 * AIMED_SOCKETS, from.port + 4 * AIMED_SOCKETS];
    expect(end.punch.takeMessage()).toEqual({ step: "propose", role: "aimed", from, furtherPorts });
    const offered = [7_777, 8_888, 9_999, 10_000, 11_000];
    const accept = { step: "accept", role: "aimed", from: { ...THERE, port: 7_777 } } as const;
    end.tell({ ...accept, furtherPorts: offered.slice(1) });
    end.run(2_000);
    expect(new Set(end.sent.map(({ linkId }) => linkId)).size).toBe(AIMED_VOLLEYS * AIMED_SOCKETS);
    const volleys = offered.slice(0, AIMED_VOLLEYS).flatMap((port) => Array<number>(AIMED_SOCKETS).fill(port));
    expect(end.sent.map(({ remote }) => remote.port)).toEqual(volleys);
    const hit = [...end.open][AIMED_SOCKETS] ?? 0;
    end.hear(hit, 8_888);
    expect([...end.open]).toEqual([hit]);
  });

  it("aims one volley at a peer that tells one port only", () => {
    const counter = { kind: "sequential", step: 1, last: 3_000, at: START, othersPerSecond: 0 } as const;
    const end = new End(VARYING, VARYING);
    end.ownPorts = [{ address: HERE.address, pattern: counter }];
    end.tell({ step: "propose", role: "aimed", from: { ...THERE, port: 7_777 } });
    end.run(3_000);
    expect(end.sent.map(({ remote }) => remote.port)).toEqual(Array<number>(AIMED_SOCKETS).fill(7_777));
  });

  it("does not let itself be aimed at where its own ports can't be foretold", () => {
    const end = new End(VARYING, VARYING);
    end.tell({ step: "propose", role: "aimed" });
    expect(end.punch.takeMessage()).toMatchObject({ step: "refuse", role: "aimed", why: "unable" });
    expect(end.sent).toEqual([]);
  });

  it("takes a part only of a carrier's block", () => {
    const end = new End(VARYING, SAME);
    end.ownPorts = [{ address: HERE.address, pattern: { kind: "block", ranges: [{ first: 2_048, last: 2_559 }] } }];
    end.tell({ step: "propose", role: "ports" });
    end.run(10_000);
    expect(end.sent.length).toBe(128);
  });

  it("two proposals that cross are an agreement if they fit, else the lower check id's counts", () => {
    const fits = new End(VARYING, SAME);
    fits.run(ALONE_MS);
    fits.tell({ step: "propose", role: "ports" });
    expect(fits.punch.snapshot().state).toBe("running");
    const outcomes = [true, false].map((isLower) => {
      const end = new End(SAME, SAME, { isLower });
      end.situation = { ...end.situation, attempts: 4 };
      end.run(ALONE_MS);
      end.punch.takeMessage();
      end.tell({ step: "propose", role: "ports" });
      return end.punch.takeMessage()?.step;
    });
    expect(outcomes.sort()).toEqual(["accept", undefined]);
  });

  it("refuses what it can't or won't, and says why", () => {
    const end = new End(SAME, VARYING);
    const refusal = (message: Partial<PunchMessage>): string | undefined => {
      end.tell(message);
      return end.punch.takeMessage()?.why;
    };
    expect(refusal({ role: "sockets", from: { address: "198.51.100.9", port: 1 } })).toBe("unable");
    expect(refusal({ role: "sockets", from: { address: "192.168.1.9", port: 1 } })).toBe("unable");
    end.isEnabled = false;
    expect(refusal({ role: "sockets" })).toBe("off");
    end.isEnabled = true;
    end.situation = { ...end.situation, isSettled: true, isWanted: false };
    expect(refusal({ role: "sockets" })).toBe("busy");
    end.run(100);
    expect(end.sent).toEqual([]);
  });

  it("one attempt runs at a time on an agent", () => {
    const turn = new PunchTurn();
    const [first, second] = [new End(VARYING, SAME, { turn }), new End(VARYING, SAME, { turn })];
    first.run(ALONE_MS);
    second.run(ALONE_MS);
    expect([first.punch.snapshot().state, second.punch.snapshot().state]).toEqual(["proposed", "waiting"]);
    first.situation = { ...first.situation, isWanted: false };
    first.run(0);
    second.run(1_000);
    expect(second.punch.snapshot().state).toBe("proposed");
  });

  it("a peer that does not answer is asked again, and then left alone for ever longer", () => {
    const end = new End(VARYING, SAME);
    end.run(ALONE_MS + PROPOSAL_MS);
    expect([end.result, end.punch.snapshot().state]).toEqual(["unanswered", "proposed"]);
    end.run(3_600_000);
    expect(end.punch.snapshot().attempts.length).toBeLessThan(7);
    expect(end.sent).toEqual([]);
  });

  it("a refusal is no failure: the next proposal follows when the other may be free", () => {
    const end = new End(VARYING, SAME);
    end.run(ALONE_MS);
    end.punch.takeMessage();
    end.tell({ step: "refuse", role: "ports", why: "busy" });
    expect([end.result, end.punch.snapshot().failures]).toEqual(["refused", 0]);
    end.run(2_500);
    expect(end.punch.takeMessage()).toMatchObject({ step: "propose" });
  });
});

describe("the side with many sockets", () => {
  it("opens one after the other, each sends one check, and the oldest make room", () => {
    const end = running(VARYING, SAME);
    end.run(10_000);
    expect(new Set(end.sent.map(({ linkId }) => linkId)).size).toBe(MAX_ATTEMPT_SOCKETS);
    expect(end.sent.every(({ remote }) => remote.port === THERE.port)).toBe(true);
    expect(end.mostOpen).toBe(MAX_OPEN_SOCKETS);
    expect([end.result, end.open.size]).toEqual(["no-hit", 0]);
    const [attempt] = end.punch.snapshot().attempts;
    expect(attempt?.bytes).toBeLessThanOrEqual(MAX_ATTEMPT_BYTES);
    expect(attempt?.packets).toBe(end.sent.length);
  });

  it("adopts the socket that is hit and closes all others at once", () => {
    const end = running(VARYING, SAME);
    end.run(500);
    const hit = [...end.open][20] ?? 0;
    end.hear(hit);
    expect([...end.open]).toEqual([hit]);
    expect([end.set.hasLink(hit), end.punch.snapshot().adopted]).toEqual([true, 1]);
    const sent = end.sent.length;
    end.run(PROOF_MS - 1);
    expect(end.sent.length).toBe(sent);
    end.situation = { ...end.situation, isSettled: true, isWanted: false };
    end.run(0);
    expect(end.result).toBe("direct");
  });

  it("gives an adopted socket back if no path is proven there", () => {
    const end = running(VARYING, SAME);
    end.run(500);
    const hit = [...end.open][0] ?? 0;
    end.hear(hit);
    end.run(PROOF_MS);
    expect([end.result, end.open.size, end.set.hasLink(hit)]).toEqual(["not-proven", 0, false]);
  });

  it("a check on another socket of ours says nothing", () => {
    const end = running(VARYING, SAME);
    end.run(500);
    end.hear(LINK);
    expect([end.punch.snapshot().adopted, end.punch.snapshot().state]).toEqual([0, "running"]);
  });

  it("stops opening where the host has no more sockets, and waits for a hit of those that there are", () => {
    const end = running(VARYING, SAME);
    end.run(300);
    const { size } = end.open;
    end.hasSockets = false;
    end.run(1_000);
    expect([end.open.size, end.punch.snapshot().state]).toEqual([size, "running"]);
    end.run(5_000);
    expect([end.result, end.open.size]).toEqual(["no-hit", 0]);
  });

  it("gives everything back when the peer is removed, or its link is gone", () => {
    const removed = running(VARYING, SAME);
    removed.run(300);
    removed.punch.close();
    removed.run(0);
    expect(removed.open.size).toBe(0);
    const gone = running(VARYING, SAME);
    gone.run(300);
    gone.hear([...gone.open][0] ?? 0);
    gone.set.setLinks([]);
    gone.run(0);
    expect([gone.open.size, gone.punch.snapshot().adopted]).toEqual([0, 0]);
  });
});

describe("the side with many ports", () => {
  it("sends to port after port, none twice, within the limits", () => {
    const end = running(SAME, VARYING);
    end.run(10_000);
    const ports = end.sent.map(({ remote }) => remote.port);
    expect(new Set(ports).size).toBe(ports.length);
    expect(Math.min(...ports)).toBeGreaterThanOrEqual(1_024);
    const [attempt] = end.punch.snapshot().attempts;
    expect(attempt).toMatchObject({ role: "ports", result: "no-hit", packets: ports.length });
    expect(attempt?.bytes).toBeGreaterThan(MAX_ATTEMPT_BYTES - 200);
    expect(attempt?.bytes).toBeLessThanOrEqual(MAX_ATTEMPT_BYTES);
  });

  it("stops as soon as the peer comes through, from whichever port", () => {
    const end = running(SAME, VARYING);
    end.run(500);
    const sent = end.sent.length;
    end.hear(LINK, 33_333);
    end.run(1_000);
    expect(end.sent.length).toBe(sent);
  });
});
