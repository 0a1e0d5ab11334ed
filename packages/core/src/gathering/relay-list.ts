import { formatIpAddress, parseIpAddress } from "../addresses/index.ts";
import type { RelayInfo, RelaysMessage } from "../control/index.ts";
import type { UdpAddress } from "../net/index.ts";
import type { Relay, StreamEndpoint } from "./gathering-types.ts";

/** What the control message tells of relays and of STUN servers. */
export function readRelays(message: RelaysMessage): { relays: Relay[]; stunServers: UdpAddress[] } {
  const relays = message.relays.map((relay): Relay => {
    const { id, name, username, password } = relay;
    return { id, name, udp: addressesAt(relay, relay.ports.udp), streams: streamEndpoints(relay), username, password };
  });
  const stunServers = message.stunServers.flatMap(({ address, port }) => toUdpAddress(address, port));
  return { relays, stunServers };
}

/** TLS first: where UDP is blocked, often only what looks like the web passes. */
function streamEndpoints(relay: RelayInfo): StreamEndpoint[] {
  const { tlsName: serverName, tlsFingerprint: fingerprint, ports } = relay;
  const tls = addressesAt(relay, ports.tls).map((address): StreamEndpoint => {
    return { transport: "tls", address, serverName, fingerprint };
  });
  const tcp = addressesAt(relay, ports.tcp).map((address): StreamEndpoint => {
    return { transport: "tcp", address, serverName: null, fingerprint: null };
  });
  return tls.flatMap((endpoint, index) => [endpoint, ...tcp.slice(index, index + 1)]).concat(tcp.slice(tls.length));
}

function addressesAt({ addresses }: RelayInfo, port: number | null): UdpAddress[] {
  return port === null ? [] : addresses.flatMap((address) => toUdpAddress(address, port));
}

/** In canonical form, as sources of datagrams are compared with it. */
function toUdpAddress(text: string, port: number): UdpAddress[] {
  const bytes = parseIpAddress(text);
  return bytes === undefined ? [] : [{ address: formatIpAddress(bytes), port }];
}
