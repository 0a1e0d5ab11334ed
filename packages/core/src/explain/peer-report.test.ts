import { expect, it } from "vitest";
import { exampleAllocation, exampleGathering, exampleRelay } from "../../test/gathering-facts.ts";
import { EXAMPLE_PEER } from "../../test/peer-facts.ts";
import { createParser } from "../control/parse.ts";
import { PeerExplanation } from "../local-api/index.ts";
import { pathAddressKey } from "../net/index.ts";
import type { PeerPathsSnapshot } from "../paths/index.ts";
import type { Instant, WallTime } from "../time.ts";
import { type PeerFacts, peerReport } from "./peer-report.ts";

const parse = createParser("peer explanation", PeerExplanation);
const NOW = 100_000 as Instant;
const WALL = Date.UTC(2026, 0, 1, 12) as WallTime;
const RELAY = { address: "198.51.100.1", port: 3478 };
const PEER = { address: "203.0.113.9", port: 41_641 };

const throughRelay = { linkId: 1, remote: RELAY, channel: 0x4000 };

/** Relayed for 20 s; the direct address never answered. */
const paths: PeerPathsSnapshot = {
  kind: "relayed",
  active: { address: throughRelay, kind: "relayed", rttMs: 40.12345 },
  mode: { mode: "best", by: "default" },
  modeSettings: { own: null, network: null, isPeerAble: true },
  trusted: true,
  paths: [
    {
      address: throughRelay,
      peer: PEER,
      kind: "relayed",
      remoteKind: "server-reflexive",
      state: "active",
      weight: 1,
      idleBecause: null,
      rttMs: 40.12345,
      minRttMs: 40,
      lossRatio: 0,
      mtuBytes: null,
      isNarrow: false,
      lastAnsweredAt: (NOW - 1_000) as Instant,
      lastHeardAt: null,
      mappedAddress: null,
    },
    {
      address: { linkId: 1, remote: PEER, channel: null },
      peer: PEER,
      kind: "direct",
      remoteKind: "server-reflexive",
      state: "failed",
      weight: 0,
      idleBecause: null,
      rttMs: null,
      minRttMs: null,
      lossRatio: 1,
      mtuBytes: null,
      isNarrow: false,
      lastAnsweredAt: null,
      lastHeardAt: null,
      mappedAddress: null,
    },
  ],
  localCandidates: [],
  remoteCandidates: [
    { kind: "server-reflexive", address: PEER, priority: 1 },
    { kind: "port-mapped", address: { address: "203.0.113.9", port: 7 }, priority: 1 },
  ],
  nextAttemptAt: (NOW + 32_000) as Instant,
  attemptsWithoutSuccess: 6,
  attempts: [
    {
      at: (NOW - 16_000) as Instant,
      remote: PEER,
      relay: null,
      linkId: 1,
      remoteKind: "server-reflexive",
      result: "no-answer",
      afterMs: null,
      why: "no check was answered",
    },
  ],
  punch: { state: "idle", attempts: [], failures: 0, notBefore: null, adopted: 0 },
  changes: [
    {
      at: (NOW - 20_000) as Instant,
      from: null,
      to: { address: throughRelay, kind: "relayed", rttMs: 41 },
      why: "the first path that answered",
    },
  ],
  drops: { "check-replayed": 2 },
};

function facts(more: Partial<PeerFacts> = {}): PeerFacts {
  return {
    network: "default",
    server: { url: "https://server.example", connected: true },
    peer: EXAMPLE_PEER,
    peerNats: [{ family: 4, type: "symmetric", mapping: "address-dependent", filtering: "unknown", udp: true }],
    peerPorts: [
      { address: "203.0.113.9", pattern: { kind: "block", ranges: [{ first: 5120, last: 5631 }] } },
      { address: "203.0.113.9", pattern: { kind: "sequential", step: -2, last: 7, at: NOW, othersPerSecond: 0.123 } },
    ],
    paths,
    provisional: null,
    gathering: exampleGathering({ relays: [exampleRelay({ isPreferred: true, allocations: [exampleAllocation()] })] }),
    calls: {
      sent: { at: (NOW - 2_000) as Instant, byServer: false, members: ["c"] },
      received: { at: (NOW - 1_000) as Instant, via: "c" },
    },
    lastHandshakeAt: (NOW - 5_000) as Instant,
    echoMs: 41,
    traffic: { txPackets: 4, rxPackets: 3, txRelayedPackets: 4, rxRelayedPackets: 3 },
    uses: new Map([[pathAddressKey(throughRelay), { share: 0.98765, spread: null }]]),
    linkTo: () => "eth0",
    time: { now: NOW, wall: WALL },
    ...more,
  };
}

it("tells the path, both NATs, what was tried and what comes next, with times of the clock", () => {
  const report = peerReport(facts());
  expect(parse(report)).toEqual({ ok: true, value: report });
  const relayed = { kind: "relayed", remote: "198.51.100.1:3478", link: "eth0", relay: "relay.example" };
  expect(report).toMatchObject({
    path: { ...relayed, rttMs: 40.123 },
    pathSince: "2026-01-01T11:59:40.000Z",
    mode: { mode: "best", by: "default", chosen: null, networkDefault: null },
    lastHandshake: "2026-01-01T11:59:55.000Z",
    nat: {
      here: [{ ipVersion: 4, type: "port-restricted cone" }],
      there: [{ ipVersion: 4, type: "symmetric", mapping: "address-dependent" }],
    },
    nextPorts: {
      here: [],
      there: [
        { address: "203.0.113.9", kind: "block", step: null, ranges: [{ first: 5120, last: 5631 }] },
        { address: "203.0.113.9", kind: "sequential", step: -2, last: 7, othersPerSecond: 0.1, ranges: [] },
      ],
    },
    udp: { here: true, there: true },
    portMapping: { here: [], there: ["203.0.113.9:7"], problem: null },
    calls: {
      sent: { at: "2026-01-01T11:59:58.000Z", byServer: false, members: ["c"] },
      received: { at: "2026-01-01T11:59:59.000Z", forwardedBy: "c" },
    },
    relays: [{ name: "relay.example", state: "in-use", preferred: true }],
    tried: [
      {
        remote: "203.0.113.9:41641",
        via: "relay.example",
        state: "active",
        share: 0.988,
        answeredAt: "2026-01-01T11:59:59.000Z",
      },
      { remote: "203.0.113.9:41641", via: null, state: "failed", share: 0, spread: null },
    ],
    nextAttempt: "2026-01-01T12:00:32.000Z",
    nextAttemptInMs: 32_000,
    attemptsWithoutDirect: 6,
    history: {
      changes: [
        { at: "2026-01-01T11:59:40.000Z", from: { kind: "none" }, to: relayed, why: expect.any(String) as unknown },
      ],
      attempts: [{ at: "2026-01-01T11:59:44.000Z", remote: "203.0.113.9:41641", result: "no-answer" }],
    },
    drops: { "check-replayed": 2 },
  });
});

it("has the shape even where next to nothing is known", () => {
  const refused = { ...facts().peer, kind: "refused" as const, problem: { code: "refused", text: "its key changed" } };
  const gathering = exampleGathering({ nats: [], relays: [], servers: [], candidates: [] });
  const report = peerReport(
    facts({ peer: refused, peerNats: null, paths: null, gathering, lastHandshakeAt: null, echoMs: null }),
  );
  expect(parse(report)).toEqual({ ok: true, value: report });
  expect(report).toMatchObject({
    path: { kind: "none" },
    nat: { here: [], there: null },
    udp: { here: null, there: null },
    tried: [],
    nextAttempt: null,
    advice: { case: "refused" },
  });
});

it("a peer without a proven path is shown where its packets come from", () => {
  const report = peerReport(facts({ paths: null, provisional: PEER }));
  expect(report.path).toEqual({ kind: "direct", remote: "203.0.113.9:41641", link: "eth0", relay: null, rttMs: null });
});

it("a peer whose UDP is blocked by every IP version", () => {
  const blocked = { type: "udp blocked", mapping: "unknown", filtering: "unknown", udp: false } as const;
  const report = peerReport(
    facts({
      peerNats: [
        { ...blocked, family: 4 },
        { ...blocked, family: 6 },
      ],
    }),
  );
  expect(report.udp).toEqual({ here: true, there: false });
  expect(report.advice.case).toBe("relayed-udp-blocked-there");
});

it("says why the router here maps no port", () => {
  const problem = { code: "refused", text: "the router refuses" } as const;
  const refusal = { linkId: 1, protocol: null, external: null, expiresAt: null, problem };
  const report = peerReport(facts({ gathering: exampleGathering({ portMappings: [refusal] }) }));
  expect(report.portMapping).toEqual({ here: [], there: ["203.0.113.9:7"], problem: "the router refuses" });
});
