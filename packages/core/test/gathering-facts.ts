import type { AllocationSnapshot, GatheringSnapshot, RelaySnapshot } from "../src/gathering/index.ts";
import type { NatReport } from "../src/nat/index.ts";

/** A port-restricted cone seen by one server. */
export function exampleNat(more: Partial<NatReport> = {}): NatReport {
  return {
    linkId: 1,
    family: 4,
    udp: true,
    mapping: "endpoint-independent",
    filtering: "address-and-port-dependent",
    possibleMappings: ["endpoint-independent"],
    possibleFilterings: ["address-and-port-dependent"],
    type: "port-restricted cone",
    hairpin: false,
    samples: [
      {
        server: { address: "198.51.100.1", port: 3478 },
        mapped: { address: "203.0.113.7", port: 41_641 },
        rttMs: 20.12345,
      },
    ],
    ports: {
      address: "203.0.113.7",
      pattern: { kind: "preserving", ports: [{ first: 41_641, last: 41_641 }] },
    },
    portSamples: [],
    ...more,
  };
}

/** A relay at 198.51.100.1. */
export function exampleRelay(more: Partial<RelaySnapshot> = {}): RelaySnapshot {
  const addresses = [{ address: "198.51.100.1", port: 3478 }];
  return { id: "r1", name: "relay.example", addresses, rttMs: 20, isPreferred: false, allocations: [], ...more };
}

export function exampleAllocation(more: Partial<AllocationSnapshot> = {}): AllocationSnapshot {
  return {
    transport: "udp",
    linkId: 1,
    state: "allocated",
    server: { address: "198.51.100.1", port: 3478 },
    relayedAddresses: [{ address: "198.51.100.1", port: 50_000 }],
    mappedAddress: null,
    expiresAt: null,
    rttMs: 20,
    lastFailure: null,
    retryAt: null,
    peers: [],
    drops: {},
    ...more,
  };
}

/** A host behind a port-restricted cone with one relay. */
export function exampleGathering(more: Partial<GatheringSnapshot> = {}): GatheringSnapshot {
  return {
    candidates: [{ kind: "host", address: { address: "192.168.1.2", port: 41_641 }, linkId: 1, priority: 1 }],
    nats: [exampleNat()],
    reflexive: [],
    portMappings: [],
    relays: [exampleRelay()],
    isExamining: false,
    servers: [{ address: "198.51.100.1", port: 3478 }],
    neededAt: null,
    ...more,
  };
}
