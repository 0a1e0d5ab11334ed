import { type AgentPeerInfo, deviceFqdn, type NetworkInfo, type SelfInfo } from "@asterism/core/control";
import type { MemberRow, NetworkRow } from "../store/tables.ts";

/** Rows of the store in the words of the control protocol. */

export function networkInfo(row: NetworkRow): NetworkInfo {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    ipv4Range: row.ipv4_range,
    ipv6Range: row.ipv6_range,
    mtuBytes: row.mtu_bytes,
    hardNatPunching: row.hard_nat_punching === 1,
    mode: row.mode,
  };
}

export function selfInfo(row: MemberRow): SelfInfo {
  return {
    nodeId: row.id,
    name: row.name,
    fqdn: deviceFqdn(row.name, row.user_name, row.network_name),
    ipv4: row.ipv4,
    ipv6: row.ipv6,
    user: row.user_name,
    tags: readTags(row.tags),
    ephemeral: row.ephemeral === 1,
  };
}

export function peerInfo(row: MemberRow): AgentPeerInfo {
  return {
    kind: "agent",
    ...selfInfo(row),
    machineKey: row.machine_key,
    record: row.record,
    recordSignature: row.record_signature,
  };
}

/** Tags as they are stored: a JSON list of labels that were checked when they came in. */
export function readTags(text: string): string[] {
  return JSON.parse(text) as string[];
}
