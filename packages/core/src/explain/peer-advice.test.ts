import { describe, expect, it } from "vitest";
import { exampleFacts as facts, nat, RELAY, TRIED } from "../../test/peer-facts.ts";
import type { NextPorts, PunchAttempt, Punching } from "../local-api/index.ts";
import type { Facts } from "./obstacle.ts";
import { peerAdvice } from "./peer-advice.ts";

const DIRECT = { kind: "direct", remote: "203.0.113.9:41641", link: "eth0", relay: null, rttMs: 12 } as const;
const NONE = { kind: "none", remote: null, link: null, relay: null, rttMs: null } as const;

const peer = (more: Partial<Facts["peer"]>): Facts["peer"] => ({ ...facts().peer, ...more });
const host = (address: string) => ({ candidate: "host", address, relay: null }) as const;
const unreachable = { path: NONE, echoMs: null, lastHandshake: null } as const;

/** A pair that only guessing ports would join. */
const hard = { nat: { here: [nat("symmetric")], there: [nat("port-restricted cone")] } };
const guess = (more: Partial<PunchAttempt>): PunchAttempt => {
  const sent = { packets: 640, bytes: 76_800, afterMs: 4_870 };
  return { at: "2026-01-01T00:00:00.000Z", role: "sockets", result: "no-hit", ...sent, refusal: null, ...more };
};
const NONE_KNOWN = { step: null, last: null, othersPerSecond: null, ranges: [] };
const RANDOM = { ...NONE_KNOWN, kind: "random" as const };
const BLOCK = { ...NONE_KNOWN, kind: "block" as const, ranges: [{ first: 20_480, last: 20_991 }] };
const COUNTER = { ...NONE_KNOWN, kind: "sequential" as const, step: 1, last: 5_004, othersPerSecond: 0 };
const next = (ports: Omit<NextPorts, "address">, address: string): NextPorts => ({ ...ports, address });
/** Two symmetric NATs that give out ports in these ways. */
function symmetric(
  here: Omit<NextPorts, "address">,
  there: Omit<NextPorts, "address">,
  more: Partial<Punching> = {},
): Partial<Facts> {
  return {
    nat: { here: [nat("symmetric")], there: [nat("symmetric")] },
    nextPorts: { here: [next(here, "203.0.113.7")], there: [next(there, "203.0.113.9")] },
    punching: { state: "idle", attempts: [], failures: 0, notBeforeInMs: null, ...more },
  };
}
const guessing = (more: Partial<Punching>): Partial<Facts> => ({
  ...hard,
  punching: { state: "idle", attempts: [], failures: 0, notBeforeInMs: null, ...more },
});

describe("one sentence for each case", () => {
  it.each<[name: string, facts: Partial<Facts>, words: string]>([
    // A path works
    ["direct", { path: DIRECT }, "nothing needs doing"],
    ["direct", { path: { ...DIRECT, remote: "192.168.1.9:41641" } }, "inside the local network"],
    ["direct", { path: { ...DIRECT, remote: "[2001:db8::9]:41641" } }, "over IPv6"],
    [
      "direct-small-packets-only",
      { path: DIRECT, tried: [{ ...TRIED, state: "active", smallPacketsOnly: true }] },
      "so they travel in pieces",
    ],
    ["direct-lossy", { path: DIRECT, tried: [{ ...TRIED, state: "active", lossRatio: 0.25 }] }, "25 % of the checks"],
    ["no-echo", { path: DIRECT, echoMs: null }, "ICMP"],
    ["no-handshake", { path: DIRECT, echoMs: null, lastHandshake: null }, "handshake"],
    ["peer-offline", { path: DIRECT, echoMs: null, peer: peer({ online: false }) }, "gone offline"],
    // Relayed, and why
    [
      "relayed-symmetric-both",
      { nat: { here: [nat("symmetric")], there: [nat("symmetric")] } },
      "whose ports can't be foretold (given out nobody knows how here, nobody knows how at b). What would help: IPv6",
    ],
    [
      "relayed-symmetric-both",
      symmetric(RANDOM, BLOCK),
      "whose ports can't be foretold (given out at random here, from 20480–20991 in no order at b)",
    ],
    ["relayed-symmetric-both", symmetric(COUNTER, RANDOM), "and b's ports can't be foretold (given out at random)"],
    [
      "relayed-symmetric-both",
      symmetric(BLOCK, COUNTER),
      "and this machine's ports can't be foretold (given out from 20480–20991 in no order)",
    ],
    [
      "relayed-symmetric-both",
      symmetric(COUNTER, COUNTER, { attempts: [guess({ role: "aimed" })], failures: 1, notBeforeInMs: 50_000 }),
      "which give out their ports one after the other, and guessing ports has failed once (640 packets in 5 s, again in 1 min)",
    ],
    [
      "relayed-symmetric-both",
      symmetric(COUNTER, COUNTER, { state: "off" }),
      "one after the other; guessing ports is switched off in this network. What would help: let devices guess ports",
    ],
    ["looking", symmetric(COUNTER, COUNTER, { state: "proposed" }), "ask again in a few seconds"],
    [
      "relayed-symmetric-port-restricted",
      { nat: { here: [nat("symmetric")], there: [nat("port-restricted cone")] } },
      "this machine is behind a symmetric NAT and b behind a port-restricted one",
    ],
    ["looking", guessing({ state: "running" }), "ask again in a few seconds"],
    [
      "relayed-symmetric-port-restricted",
      guessing({ attempts: [guess({})], failures: 2, notBeforeInMs: 290_000 }),
      "guessing ports has failed 2 times (640 packets in 5 s, again in 5 min)",
    ],
    [
      "relayed-symmetric-port-restricted",
      guessing({ attempts: [guess({ result: "refused", refusal: "off" })], notBeforeInMs: 3_500_000 }),
      "b may not guess ports (asked again in 59 min)",
    ],
    [
      "relayed-symmetric-port-restricted",
      guessing({ attempts: [guess({ result: "refused", refusal: "unable" })], notBeforeInMs: 60_000 }),
      "b can't take part in guessing ports now (asked again in 1 min)",
    ],
    [
      "relayed-symmetric-port-restricted",
      guessing({ attempts: [guess({ result: "unanswered" })] }),
      "b has not answered the proposal to guess ports (asked again soon)",
    ],
    [
      "relayed-symmetric-port-restricted",
      { ...hard, nextPorts: { here: [next(BLOCK, "203.0.113.7")], there: [] } },
      "this machine is behind a symmetric NAT (ports given out from 20480–20991 in no order) and b behind",
    ],
    ["relayed-symmetric-port-restricted", guessing({ state: "off" }), "--hard-nat-punching on"],
    [
      "relayed-symmetric-port-restricted",
      {
        nat: {
          here: [nat("symmetric")],
          there: [nat("unknown", { mapping: "unknown", filtering: "address-and-port-dependent" })],
        },
      },
      "b behind a port-restricted one",
    ],
    [
      "relayed-symmetric-port-restricted",
      { nat: { here: [nat("port-restricted cone")], there: [nat("symmetric")] } },
      "b is behind a symmetric NAT and this machine behind a port-restricted one",
    ],
    [
      "relayed-symmetric-port-restricted",
      { nat: { here: [nat("symmetric")], there: [nat("unknown", { mapping: "endpoint-independent" })] } },
      "IPv6 at both ends or a port mapping",
    ],
    ["relayed-udp-blocked-here", { udp: { here: false, there: true } }, "in front of this machine blocks UDP"],
    ["relayed-udp-blocked-there", { udp: { here: true, there: false } }, "in front of b blocks UDP"],
    [
      "relayed-small-packets-only",
      { tried: [{ ...TRIED, state: "standby", smallPacketsOnly: true }] },
      "on the direct path to b (203.0.113.9:41641) small packets pass and large ones vanish",
    ],
    [
      "relayed-udp-throttled",
      { tried: [{ ...TRIED, state: "standby", lossRatio: 0.4, answeredAt: "2026-01-01T00:00:00.000Z" }] },
      "40 % of its last checks",
    ],
    ["relayed-one-way", { tried: [{ ...TRIED, heardAt: "2026-01-01T00:00:00.000Z" }] }, "one way only"],
    [
      "relayed-no-common-ip-version",
      { candidates: { here: [host("192.168.1.2:1")], there: [{ candidate: "host", address: "[2001:db8::9]:1" }] } },
      "this machine has only IPv4 and b only IPv6",
    ],
    [
      "relayed-same-nat",
      {
        candidates: {
          here: facts().candidates.here,
          there: [{ candidate: "server-reflexive", address: "203.0.113.7:50000" }],
        },
      },
      "hairpinning",
    ],
    ["relayed-nat-unknown", { nat: { here: [nat("unknown")], there: [] } }, "run `asterism netcheck`."],
    ["relayed-nat-unknown", { nat: { ...facts().nat, there: null } }, "run `asterism netcheck` on b."],
    ["relayed-firewall", {}, "this machine's port 41641, b's port 41700"],
    ["looking", { attemptsWithoutDirect: 1, tried: [{ ...TRIED, state: "checking" }] }, "ask again"],
    // No path
    ["peer-offline", { ...unreachable, peer: peer({ online: false }) }, "Start it"],
    ["server-unreachable", { ...unreachable, server: { url: "https://s", connected: false } }, "https://s"],
    ["clock-skew", { ...unreachable, peer: peer({ callProblem: "call-stale" }) }, "NTP"],
    ["no-answer-to-call", { ...unreachable, candidates: { here: [], there: [] } }, "has not answered a call"],
    ["looking", { ...unreachable, attemptsWithoutDirect: 1, tried: [{ ...TRIED, state: "checking" }] }, "looked for"],
    ["no-relay", { ...unreachable, relays: [] }, "asterism admin relay add"],
    [
      "relay-unreachable",
      { ...unreachable, relays: [{ ...RELAY, state: "silent", problem: "it does not answer over UDP" }] },
      "relay.example (198.51.100.1:3478) is of no use: it does not answer",
    ],
    [
      "relay-refuses",
      { ...unreachable, relays: [{ ...RELAY, state: "failing", problem: "it refuses the credentials" }] },
      "it refuses the credentials",
    ],
    [
      "udp-blocked-here",
      { ...unreachable, udp: { here: false, there: true }, relays: [{ ...RELAY, state: "silent", transport: null }] },
      "let UDP out there",
    ],
    ["udp-blocked-there", { ...unreachable, udp: { here: true, there: false } }, "in front of b"],
    // Whatever the paths
    ["passphrase-differs", { peer: peer({ problem: { code: "passphrase-differs", text: "x" } }) }, "--secret"],
    ["refused", { ...unreachable, peer: peer({ problem: { code: "refused", text: "its key changed" } }) }, "its key"],
    ["node-key-unusable", { peer: peer({ problem: { code: "node-key-unusable", text: "bad key" } }) }, "bad key"],
    ["stock-client", { path: DIRECT, peer: peer({ kind: "stock" }) }, "where it last sent from"],
    ["stock-client-silent", { ...unreachable, peer: peer({ kind: "stock" }) }, "has to begin"],
  ])("%s", (name, more, words) => {
    const advice = peerAdvice(facts(more));
    expect(advice.text).toContain(words);
    expect(advice.case).toBe(name);
    expect(advice.text).toMatch(/\.$/);
    expect(advice.text).not.toMatch(/undefined|null|\.\./);
  });
});

describe("what is not to blame", () => {
  it("a symmetric NAT opposite one that lets in more", () => {
    const restricted = { here: [nat("symmetric")], there: [nat("restricted cone")] };
    expect(peerAdvice(facts({ nat: restricted })).case).toBe("relayed-firewall");
  });

  const bothSymmetric = { here: [nat("symmetric")], there: [nat("symmetric")] };

  it("symmetric NATs, where one end has a port mapping or both have IPv6", () => {
    const mapped = { here: [], there: ["203.0.113.9:7"], problem: null };
    expect(peerAdvice(facts({ nat: bothSymmetric, portMapping: mapped })).case).toBe("relayed-firewall");
    const candidates = {
      here: [host("192.168.1.2:1"), host("[2001:db8::1]:1")],
      there: [{ candidate: "host", address: "[2001:db8::2]:1" } as const],
    };
    expect(peerAdvice(facts({ nat: bothSymmetric, candidates })).case).toBe("relayed-firewall");
  });

  it("an IP version whose UDP is blocked does not count as common", () => {
    const nats = {
      here: [nat("symmetric"), nat("udp blocked", { ipVersion: 6, udp: false })],
      there: [nat("symmetric"), nat("none", { ipVersion: 6 })],
    };
    const candidates = {
      here: [host("192.168.1.2:1"), host("[2001:db8::1]:1")],
      there: [
        { candidate: "host", address: "192.168.7.2:1" },
        { candidate: "host", address: "[2001:db8::2]:1" },
      ] as const,
    };
    expect(
      peerAdvice(facts({ nat: nats, candidates: { here: candidates.here, there: [...candidates.there] } })).case,
    ).toBe("relayed-symmetric-both");
  });

  it("a silent relay, where another one is well", () => {
    const silent = { ...RELAY, state: "silent" as const };
    const advice = peerAdvice(facts({ ...unreachable, relays: [silent, { ...RELAY, state: "ready" }] }));
    expect(advice.case).toBe("firewall");
  });
});
