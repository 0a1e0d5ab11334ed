/** One TURN client, the way by which it reaches its relay, and the channels through its allocation. */
import { type LinkId, type UdpAddress, udpAddressEquals } from "../net/index.ts";
import type { ChannelPlace } from "../paths/index.ts";
import type { Instant } from "../time.ts";
import type { TurnClient } from "../turn/index.ts";
import type { AllocationSnapshot, Relay, StreamEndpoint } from "./gathering-types.ts";
import type { StreamRace } from "./stream-race.ts";

export interface Channel {
  readonly place: ChannelPlace;
  readonly owners: Set<string>;
  /** Null until the relay has bound it. */
  channel: number | null;
}

export interface RelayClient {
  /** Null while a stream is being opened. */
  linkId: LinkId | null;
  /** Undefined over UDP. */
  readonly race: StreamRace | undefined;
  readonly relay: Relay;
  readonly client: TurnClient;
  readonly channels: Map<string, Channel>; // bounded: the client refuses to bind too many
  /** Where it is, after redirects. */
  server: UdpAddress;
  relayedAddresses: readonly UdpAddress[];
  isFailing: boolean;
  isClosing: boolean;
  doubtedAt: Instant | undefined;
}

/** Where it may open a stream: all places of the relay's, or the one that it has sent us to (RFC 8489 §10). */
export function endpointsOf({ relay, race }: RelayClient, server: UdpAddress): readonly StreamEndpoint[] {
  const [first] = relay.streams;
  if (first === undefined || udpAddressEquals(first.address, server)) return relay.streams;
  return [{ ...(race?.endpoint ?? first), address: server }];
}

export function snapshotOf({ linkId, relay, race, client }: RelayClient): AllocationSnapshot {
  const transport = race === undefined ? "udp" : (race.endpoint ?? relay.streams[0])?.transport;
  return { linkId, transport: transport ?? "tls", ...client.snapshot() };
}

export function familiesOf(addresses: readonly UdpAddress[]): (4 | 6)[] {
  return ([4, 6] as const).filter((family) =>
    addresses.some(({ address }) => address.includes(":") === (family === 6)),
  );
}

export function describeTransport({ race }: RelayClient): string {
  if (race === undefined) return "";
  return race.endpoint === undefined ? " by a stream" : ` over ${race.endpoint.transport.toUpperCase()}`;
}

export function isAt(known: RelayClient, linkId: LinkId, relay: UdpAddress): boolean {
  return known.linkId === linkId && udpAddressEquals(known.server, relay);
}
