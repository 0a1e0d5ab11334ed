import { describe, expect, test } from "vitest";
import { seededRandom } from "../../test/seeded-random.ts";
import { type AgentMessage, parseAgentMessage } from "../inner/index.ts";
import type { Instant } from "../time.ts";
import { CallForwarding, type Tunnel } from "./call-forwarding.ts";

const CALL = Uint8Array.of(1, 2, 3);
const at = (ms: number): Instant => (1_000_000 + ms) as Instant;

class Member {
  readonly sent: { readonly to: string; readonly message: AgentMessage }[] = [];
  readonly forwarding: CallForwarding;

  constructor(tunnels: Readonly<Record<string, Tunnel | undefined>>) {
    this.forwarding = new CallForwarding({
      peers: { tunnelTo: (nodeId) => tunnels[nodeId], all: () => Object.keys(tunnels) },
      random: seededRandom(5),
      send: (to, packet) => {
        const message = parseAgentMessage(packet);
        if (message !== undefined) this.sent.push({ to, message });
      },
    });
  }

  /** Takes what was sent so far. */
  take(): readonly { readonly to: string; readonly message: AgentMessage }[] {
    return this.sent.splice(0);
  }
}

const forwardTo = (to: string): AgentMessage => ({ kind: "forward-call", to, sealed: CALL });

describe("a caller", () => {
  test("gives a call to three members with a tunnel, those with an open one first", () => {
    const me = new Member({ b: undefined, c: "idle", d: "open", e: "open", f: "idle", g: undefined });
    expect(me.forwarding.forward("b", CALL, at(0))).toBe(true);
    const asked = me.take();
    expect(asked.map(({ message }) => message)).toEqual(Array(3).fill(forwardTo("b")));
    expect(asked.map(({ to }) => to)).toEqual(expect.arrayContaining(["d", "e"]));
  });

  test("says so if there is nobody", () => {
    expect(new Member({ b: "idle", c: undefined }).forwarding.forward("b", CALL, at(0))).toBe(false);
  });

  test("gives it to the callee as well if there is a tunnel", () => {
    const me = new Member({ b: "open" });
    expect(me.forwarding.forward("b", CALL, at(0))).toBe(true);
    expect(me.take()).toEqual([{ to: "b", message: { kind: "forwarded-call", from: null, sealed: CALL } }]);
  });

  test("asks others when one refuses, each once, and comes back to who brought the callee's answer", () => {
    const names = ["c", "d", "e", "f", "g", "h"];
    const me = new Member(Object.fromEntries([["b", undefined], ...names.map((name) => [name, "open"] as const)]));
    me.forwarding.forward("b", CALL, at(0));
    const asked: string[] = [];
    for (let batch = me.take(); batch.length > 0; batch = me.take()) {
      asked.push(...batch.map(({ to }) => to));
      for (const { to } of batch) me.forwarding.handleMessage(to, { kind: "not-forwarded", to: "b" }, at(50));
    }
    expect(asked.sort()).toEqual(names);
    me.forwarding.handleArrival("b", "g", at(100));
    me.forwarding.forward("b", CALL, at(200));
    expect(me.take()[0]?.to).toBe("g");
  });

  test("goes by a member no more when the callee's calls come from the server again", () => {
    const me = new Member({ b: undefined, c: "open" });
    me.forwarding.handleArrival("b", "c", at(0));
    expect(me.forwarding.cameForwarded("b", at(100))).toBe(true);
    me.forwarding.handleArrival("b", null, at(200));
    expect(me.forwarding.cameForwarded("b", at(300))).toBe(false);
  });

  test("takes no refusal from who was not asked, twice, or too late", () => {
    const me = new Member({ b: undefined, c: "open", d: "open", e: "open", f: "open", g: "open" });
    me.forwarding.forward("b", CALL, at(0));
    const asked = me.take().map(({ to }) => to);
    const [first] = asked;
    const other = ["c", "d", "e", "f", "g"].find((name) => !asked.includes(name))!;
    const refuse = (from: string, ms: number) =>
      me.forwarding.handleMessage(from, { kind: "not-forwarded", to: "b" }, at(ms));
    expect(refuse(other, 10)).toEqual({ kind: "dropped", reason: "refusal-unexpected" });
    expect(refuse(first!, 20)).toEqual({ kind: "done" });
    expect(refuse(first!, 30)).toEqual({ kind: "dropped", reason: "refusal-unexpected" });
    expect(refuse(asked[1]!, 60_000)).toEqual({ kind: "dropped", reason: "refusal-unexpected" });
    expect(me.take()).toHaveLength(1);
  });
});

describe("a forwarder", () => {
  test("passes a call on with the name of who sent it, whatever it says", () => {
    const me = new Member({ a: "open", b: "open" });
    expect(me.forwarding.handleMessage("a", forwardTo("b"), at(0))).toEqual({ kind: "done" });
    expect(me.take()).toEqual([{ to: "b", message: { kind: "forwarded-call", from: "a", sealed: CALL } }]);
  });

  test("passes nothing on that was forwarded: that is for itself", () => {
    const me = new Member({ a: "open", b: "open" });
    const outcome = me.forwarding.handleMessage("b", { kind: "forwarded-call", from: "a", sealed: CALL }, at(0));
    expect(outcome).toEqual({ kind: "call", from: "a", sealed: CALL });
    expect(me.take()).toEqual([]);
  });

  test.each([["nobody"], ["a"], ["d"]])("refuses a call of a's to %s", (to) => {
    const me = new Member({ a: "open", b: "open", d: undefined });
    expect(me.forwarding.handleMessage("a", forwardTo(to), at(0))).toEqual({
      kind: "dropped",
      reason: "forward-without-tunnel",
    });
    expect(me.take()).toEqual([{ to: "a", message: { kind: "not-forwarded", to } }]);
  });

  test("opens only a few tunnels anew for others", () => {
    const me = new Member({ a: "open", b: "idle" });
    for (let ms = 0; ms < 10_000; ms += 500) me.forwarding.handleMessage("a", forwardTo("b"), at(ms));
    expect(me.take().filter(({ to }) => to === "b").length).toBeLessThanOrEqual(6);
  });

  test("does a flooding member a bounded service, one message for one at most, and others theirs", () => {
    const me = new Member({ a: "open", b: "open", c: "open" });
    let dropped = 0;
    for (let ms = 0; ms < 10_000; ms += 1) {
      const outcome = me.forwarding.handleMessage("a", forwardTo(ms % 2 === 0 ? "b" : "nobody"), at(ms));
      if (outcome.kind === "dropped" && outcome.reason === "forward-rate-limited") dropped += 1;
      if (ms % 1_000 === 0) expect(me.forwarding.handleMessage("c", forwardTo("b"), at(ms))).toEqual({ kind: "done" });
    }
    expect(me.take().length).toBeLessThanOrEqual(16 + 40 + 10);
    expect(dropped).toBeGreaterThan(9_900);
  });

  test("does many flooding members together a bounded service, too", () => {
    const names = Array.from({ length: 200 }, (_, index) => `m${index}`);
    const me = new Member(Object.fromEntries(names.map((name) => [name, "open"] as const)));
    for (let ms = 0; ms < 1_000; ms += 1) {
      for (const name of names) me.forwarding.handleMessage(name, forwardTo("m0"), at(ms));
    }
    expect(me.take().length).toBeLessThanOrEqual(64 + 51);
  });
});
