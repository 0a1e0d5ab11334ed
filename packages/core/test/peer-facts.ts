/** What `asterism explain` knows of a peer, in one example that tests change. */
import type { Facts } from "../src/explain/obstacle.ts";
import type { NatSide, RelayCheck, TriedPath } from "../src/local-api/index.ts";

export const RELAY: RelayCheck = {
  name: "relay.example",
  addresses: ["198.51.100.1:3478"],
  rttMs: 20,
  preferred: true,
  state: "in-use",
  transport: "udp",
  relayedAddresses: ["198.51.100.1:50000"],
  problem: null,
};
export const TRIED: TriedPath = {
  remote: "203.0.113.9:41641",
  candidate: "server-reflexive",
  kind: "direct",
  via: null,
  link: "eth0",
  state: "failed",
  rttMs: null,
  lossRatio: 0,
  share: 0,
  spread: null,
  idleBecause: null,
  smallPacketsOnly: false,
  answeredAt: null,
  heardAt: null,
};
const RELAYED = {
  kind: "relayed",
  remote: "198.51.100.1:3478",
  link: "eth0",
  relay: "relay.example",
  rttMs: 40,
} as const;

export const EXAMPLE_PEER = {
  name: "b",
  fqdn: "b.admin.default.internal",
  ipv4: "100.64.0.2",
  ipv6: "fd00::2",
  kind: "agent",
  online: true,
  problem: null,
  callProblem: null,
} as const;

export function nat(type: string, more: Partial<NatSide> = {}): NatSide {
  return { ipVersion: 4, type, mapping: "unknown", filtering: "unknown", udp: true, ...more };
}

/** Two ends behind port-restricted cones, relayed, all direct checks in vain. */
export function exampleFacts(more: Partial<Facts> = {}): Facts {
  return {
    network: "default",
    checkedAt: "2026-01-01T00:00:00.000Z",
    server: { url: "https://server.example", connected: true },
    proxy: null,
    peer: EXAMPLE_PEER,
    path: RELAYED,
    pathSince: null,
    mode: { mode: "best", by: "default", chosen: null, networkDefault: null },
    lastHandshake: "2026-01-01T00:00:00.000Z",
    echoMs: 41,
    nat: { here: [nat("port-restricted cone")], there: [nat("port-restricted cone")] },
    nextPorts: { here: [], there: [] },
    udp: { here: true, there: true },
    portMapping: { here: [], there: [], problem: null },
    candidates: {
      here: [
        { candidate: "host", address: "192.168.1.2:41641", relay: null },
        { candidate: "server-reflexive", address: "203.0.113.7:41641", relay: null },
      ],
      there: [
        { candidate: "host", address: "192.168.7.2:41700" },
        { candidate: "server-reflexive", address: "203.0.113.9:41700" },
      ],
    },
    calls: { sent: null, received: null },
    relays: [RELAY],
    tried: [{ ...TRIED, kind: "relayed", state: "active", via: "relay.example" }, TRIED],
    nextAttempt: null,
    nextAttemptInMs: null,
    attemptsWithoutDirect: 4,
    punching: { state: "idle", attempts: [], failures: 0, notBeforeInMs: null },
    history: { changes: [], attempts: [] },
    traffic: { txPackets: 1, rxPackets: 1, txRelayedPackets: 1, rxRelayedPackets: 1 },
    drops: {},
    ...more,
  };
}
