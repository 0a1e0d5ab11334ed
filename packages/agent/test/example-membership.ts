import type { RelaysMessage } from "@asterism/core/control";
import { keyText, type Membership } from "../src/state/membership.ts";

/** A membership as it stands right after joining, with one known peer. */
export function exampleMembership(networkId: string): Membership {
  return {
    version: 1,
    enabled: true,
    serverUrl: "https://203.0.113.1",
    serverFingerprint: "ab".repeat(32),
    nodeId: "node-1",
    machineKey: keyText(new Uint8Array(32)),
    nodePrivateKey: keyText(new Uint8Array(32).fill(1)),
    recordSequence: 1,
    aeads: ["aes-256-gcm"],
    unpublishedRecord: null,
    stretchedSecret: null,
    port: 41_641,
    network: {
      id: networkId,
      name: "default",
      kind: "ip",
      ipv4Range: "100.64.0.0/10",
      ipv6Range: "fd00::/64",
      mtuBytes: 1408,
    },
    self: { name: "a", fqdn: "a.admin.default.internal", ipv4: "100.64.0.1", ipv6: "fd00::1" },
    map: null,
    pins: { "node-2": { machineKey: "x", sequence: 3 } },
    endpoints: { "node-2": [{ address: "203.0.113.2", port: 41_641 }] },
  };
}

/** One relay with credentials that expire then. */
export function exampleRelays(expiresAt: string | null): RelaysMessage {
  return {
    type: "relays",
    relays: [
      {
        id: "relay-1",
        name: "relay.example",
        addresses: ["198.51.100.1"],
        ports: { udp: 3478, tcp: 3478, tls: null },
        tlsName: null,
        tlsFingerprint: null,
        username: "1800000000:node-1",
        password: "secret",
        expiresAt,
      },
    ],
    stunServers: [{ address: "198.51.100.1", port: 3478, alternatePort: null }],
  };
}
