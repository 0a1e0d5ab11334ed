import type { RelaysMessage } from "@asterism/core/control";
import type { VirtualRelay } from "./virtual-relay.ts";

/** What a server would tell its members of these relays. */
export function relaysMessage(virtualRelays: readonly VirtualRelay[]): RelaysMessage {
  const relays = virtualRelays.map(({ address, username, password, streamPorts }, index) => ({
    id: `relay-${index}`,
    name: `relay-${index}.example`,
    addresses: [address.address],
    ports: { udp: address.port, ...streamPorts },
    tlsName: null,
    tlsFingerprint: null,
    username,
    password,
    expiresAt: null,
  }));
  const stunServers = virtualRelays.map(({ address }) => ({ ...address, alternatePort: null }));
  return { type: "relays", relays, stunServers };
}
