import { formatIpAddress, parseIpAddress } from "../addresses/index.ts";
import type { RelaysMessage } from "../control/index.ts";
import type { UdpAddress } from "../net/index.ts";
import type { Relay } from "./gathering-types.ts";

/** What the control message tells of relays over UDP and of STUN servers. Relays without UDP are left out. */
export function readRelays(message: RelaysMessage): { relays: Relay[]; stunServers: UdpAddress[] } {
  const relays = message.relays.flatMap(({ id, name, addresses, ports, username, password }): Relay[] => {
    const { udp: port } = ports;
    if (port === null) return [];
    return [{ id, name, udp: addresses.flatMap((address) => toUdpAddress(address, port)), username, password }];
  });
  const stunServers = message.stunServers.flatMap(({ address, port }) => toUdpAddress(address, port));
  return { relays, stunServers };
}

/** In canonical form, as sources of datagrams are compared with it. */
function toUdpAddress(text: string, port: number): UdpAddress[] {
  const bytes = parseIpAddress(text);
  return bytes === undefined ? [] : [{ address: formatIpAddress(bytes), port }];
}
