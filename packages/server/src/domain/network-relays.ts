import type { RelayInfo, RelayPorts, RelaysMessage, StunServer } from "@asterism/core/control";
import type { RelayAuth } from "./relay-settings.ts";

/** A relay as a network has it: everything but the credentials of one member. */
export interface NetworkRelay {
  readonly id: string;
  readonly host: string;
  /** Numeric; without one the relay is of no use at present. */
  readonly addresses: readonly string[];
  readonly ports: RelayPorts;
  /** Second UDP port that answers STUN, null if there is none or it is not known. */
  readonly alternateUdpPort: number | null;
  /** Null for a relay without a name. */
  readonly tlsName: string | null;
  /** SHA-256 of the certificate, hex; null where it is not known. */
  readonly tlsFingerprint: string | null;
  readonly realm: string | null;
  readonly auth: RelayAuth;
  /** The member that runs it, null for all others. */
  readonly offeredBy: string | null;
}

export type RelayCredentials = Pick<RelayInfo, "username" | "password" | "expiresAt">;

/** What a member is told of its network's relays: all but its own. */
export function relaysMessage(
  relays: readonly NetworkRelay[],
  nodeId: string,
  credentialsFor: (auth: RelayAuth) => RelayCredentials,
): RelaysMessage {
  const usable = relays.filter((relay) => relay.addresses.length > 0 && relay.offeredBy !== nodeId);
  return {
    type: "relays",
    relays: usable.map((relay) => ({
      id: relay.id,
      name: relay.host,
      addresses: [...relay.addresses],
      ports: relay.ports,
      tlsName: relay.tlsName,
      tlsFingerprint: relay.tlsFingerprint,
      ...(relay.realm === null ? {} : { realm: relay.realm }),
      ...credentialsFor(relay.auth),
    })),
    stunServers: usable.flatMap(stunServers),
  };
}

/** Every TURN server answers STUN on its ports (RFC 8656 §3). */
function stunServers({ addresses, ports, alternateUdpPort }: NetworkRelay): StunServer[] {
  const port = ports.udp;
  return port === null ? [] : addresses.map((address) => ({ address, port, alternatePort: alternateUdpPort }));
}
