import type { TrafficModeName } from "../control/scalars.ts";
import type { ModeReason, PathSpread } from "./path-use.ts";

/**
 * What `asterism status --json` prints and the agent's local API answers: the contract of design.md §12.
 * Times are ISO 8601 in UTC, null if it never happened; rates and durations carry their unit in the name.
 */

export interface AgentStatus {
  version: string;
  agent: {
    /** Ed25519 public key, base64. */
    machineKey: string;
    uptimeSeconds: number;
    /** What is wrong with the agent as a whole and how to mend it, or null. */
    problem: string | null;
  };
  /** The server of the first network, null while the agent is in none. */
  server: ServerStatus | null;
  networks: NetworkStatus[];
}

export interface ServerStatus {
  url: string;
  connected: boolean;
  /** Since when the control stream is up (or down). */
  since: string | null;
}

export type NetworkState = "starting" | "running" | "down" | "failed";

export interface NetworkStatus {
  name: string;
  id: string;
  kind: "ip" | "ethernet";
  /** Interface name, null while the network is down. */
  interface: string | null;
  state: NetworkState;
  problem: string | null;
  server: ServerStatus;
  self: SelfStatus;
  peers: PeerStatus[];
}

export interface NatStatus {
  mapping: "endpoint-independent" | "address-dependent" | "address-and-port-dependent" | "unknown";
  filtering: "endpoint-independent" | "address-dependent" | "address-and-port-dependent" | "unknown";
  /** Folk name: none, full cone, restricted cone, port-restricted cone, symmetric, unknown. */
  type: string;
  /** Whether UDP passes at all; null until it is known. */
  udp: boolean | null;
}

export interface SelfStatus {
  name: string;
  fqdn: string;
  ipv4: string | null;
  ipv6: string | null;
  /** WireGuard public key, base64. */
  nodeKey: string;
  nat: NatStatus;
}

export type PathKind = "direct" | "relayed" | "none";

export interface ActivePathStatus {
  kind: PathKind;
  /** `203.0.113.22:41641`, null without a path. */
  remote: string | null;
  /** Local interface the packets leave by. */
  link: string | null;
  /** The relay's address for a relayed path. */
  relay: string | null;
  rttMs: number | null;
}

export interface PathStatus {
  kind: "direct" | "relayed";
  remote: string;
  link: string | null;
  state: "active" | "standby" | "checking" | "failed";
  rttMs: number | null;
  /** Of the last checks; of packets, see `spread`. */
  lossRatio: number;
  /** Largest UDP payload that passes in one piece, up to the largest there is to send; null if unknown. */
  mtuBytes: number | null;
  txBytes: number;
  rxBytes: number;
  /** Share of what is sent to the peer, 0–1. */
  weight: number;
  /** What was learnt since packets are spread over several paths; null while they are not. */
  spread: PathSpread | null;
  /** Why it carries nothing although it works; null if it carries, or does not work. */
  idleBecause: string | null;
}

export interface PeerStatus {
  name: string;
  fqdn: string;
  ipv4: string | null;
  ipv6: string | null;
  nodeKey: string;
  online: boolean;
  path: ActivePathStatus;
  paths: PathStatus[];
  /** In force for what is sent to the peer. */
  mode: TrafficModeName;
  modeBy: ModeReason;
  /** Cipher of the transport data in the newest session, null without one. */
  aead: "chacha20-poly1305" | "aes-256-gcm" | null;
  txBytes: number;
  rxBytes: number;
  txPackets: number;
  rxPackets: number;
  txRelayedPackets: number;
  rxRelayedPackets: number;
  lastHandshake: string | null;
  problem: string | null;
}
