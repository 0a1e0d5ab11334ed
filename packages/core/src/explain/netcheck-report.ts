import type { GatheringSnapshot, RelaySnapshot } from "../gathering/index.ts";
import type { LinkCheck, NetworkCheck, ProxyCheck, RelayCheck, StunServerCheck } from "../local-api/index.ts";
import type { NatReport } from "../nat/index.ts";
import { formatUdpAddress, type LinkId, type UdpAddress, udpAddressEquals } from "../net/index.ts";
import type { Instant, WallTime } from "../time.ts";
import { netcheckAdvice } from "./netcheck-advice.ts";
import { nextPortsOf } from "./next-ports.ts";
import { portMappingCheck } from "./port-mapping-check.ts";

export interface NetcheckFacts {
  readonly network: string;
  readonly server: { readonly url: string; readonly connected: boolean };
  /** Left out if no proxy is named. */
  readonly proxy?: ProxyCheck | undefined;
  /** Names of peers; left out for none. */
  readonly lossyPeers?: readonly string[];
  /** After a round of discovery. */
  readonly gathering: GatheringSnapshot;
  /** What leads to an address: the link, or the interface if that is not known or bound to none; null without a route. */
  readonly linkTo: (address: string, linkId: LinkId | null) => string | null;
  readonly at: WallTime;
  /** The same moment on the clock of the machines. */
  readonly now: Instant;
}

/** What a round of discovery has found out, and one sentence about it. */
export function netcheckReport(facts: NetcheckFacts): NetworkCheck {
  const { network, server, gathering, at } = facts;
  const report: Omit<NetworkCheck, "advice"> = {
    network,
    checkedAt: new Date(at).toISOString(),
    server,
    proxy: facts.proxy ?? null,
    udp: anyOf(gathering.nats.map(({ udp }) => udp)),
    ipv4: anyOf(gathering.nats.filter(({ family }) => family === 4).map(({ udp }) => udp)),
    ipv6: anyOf(gathering.nats.filter(({ family }) => family === 6).map(({ udp }) => udp)),
    links: gathering.nats.map((nat) => linkCheck(nat, facts)),
    portMappings: portMappings(gathering),
    portMapping: portMappingCheck(facts),
    lossyPeers: [...(facts.lossyPeers ?? [])],
    stunServers: stunServerChecks(facts),
    relays: relayChecks(gathering),
  };
  return { ...report, advice: netcheckAdvice(report) };
}

/** Public addresses that a router maps to this host. */
export function portMappings({ candidates }: GatheringSnapshot): string[] {
  const mapped = candidates.filter(({ kind }) => kind === "port-mapped");
  return [...new Set(mapped.map(({ address }) => formatUdpAddress(address)))];
}

/** The relays of the network; the preferred one is the one in use, or the nearest while none is needed. */
export function relayChecks(gathering: GatheringSnapshot): RelayCheck[] {
  const rtts = gathering.relays.map((relay) => freshRttMs(relay, gathering));
  const measured = rtts.filter((rttMs) => rttMs !== null);
  const nearestMs = measured.length === 0 ? null : Math.min(...measured);
  const hasPreferred = gathering.relays.some(({ isPreferred }) => isPreferred);
  return gathering.relays.map((relay, index) => {
    const rttMs = rtts[index] ?? null;
    return {
      name: relay.name,
      addresses: relay.addresses.map(formatUdpAddress),
      rttMs: rttMs === null ? null : roundMs(rttMs),
      preferred: hasPreferred ? relay.isPreferred : rttMs !== null && rttMs === nearestMs,
      ...relayState(relay, gathering),
    };
  });
}

function relayState(
  relay: RelaySnapshot,
  gathering: GatheringSnapshot,
): Pick<RelayCheck, "state" | "transport" | "problem" | "relayedAddresses"> {
  const used = relay.allocations.filter((allocation) => allocation.relayedAddresses.length > 0);
  const relayedAddresses = used.flatMap((allocation) => allocation.relayedAddresses.map(formatUdpAddress));
  const transport = used[0]?.transport ?? null;
  if (transport !== null) return { state: "in-use", transport, problem: null, relayedAddresses };
  const failure = relay.allocations.map(({ lastFailure }) => lastFailure).find((found) => found !== null);
  const isSilent = hasBeenAsked(relay, gathering) && answersOf(relay, gathering).length === 0;
  if (isSilent || failure?.reason === "relay-silent") {
    return { state: "silent", transport, problem: "it does not answer over UDP", relayedAddresses };
  }
  if (failure === undefined || failure === null) return { state: "ready", transport, problem: null, relayedAddresses };
  return { state: "failing", transport, problem: FAILURES[failure.reason] ?? failure.reason, relayedAddresses };
}

const FAILURES: Readonly<Record<string, string>> = {
  "credentials-refused": "it refuses the credentials: does it have the secret that the server was told?",
  "quota-reached": "this user's quota is used up",
  "relay-full": "it has no room for more users",
  "family-not-supported": "it does not relay this IP version",
  "stream-closed": "it closes the connection",
  "allocation-lost": "it has forgotten us",
};

/** What has been asked in the last round: only servers of an IP version that some link has. */
function hasBeenAsked({ addresses }: RelaySnapshot, { nats, isExamining }: GatheringSnapshot): boolean {
  return !isExamining && nats.some(({ family }) => addresses.some(({ address }) => isOfFamily(address, family)));
}

function answersOf({ addresses }: RelaySnapshot, { nats }: GatheringSnapshot): NatReport["samples"] {
  const samples = nats.flatMap((nat) => nat.samples);
  return samples.filter(({ server }) => addresses.some((address) => udpAddressEquals(server, address)));
}

function freshRttMs(relay: RelaySnapshot, gathering: GatheringSnapshot): number | null {
  const measured = answersOf(relay, gathering).flatMap(({ rttMs }) => rttMs ?? []);
  if (measured.length > 0) return Math.min(...measured);
  // Over a stream it may be reached where UDP is not.
  const used = relay.allocations.flatMap(({ relayedAddresses, rttMs }) =>
    relayedAddresses.length > 0 ? (rttMs ?? []) : [],
  );
  if (used.length > 0) return Math.min(...used);
  return hasBeenAsked(relay, gathering) && answersOf(relay, gathering).length === 0 ? null : relay.rttMs;
}

function linkCheck(nat: NatReport, { gathering, linkTo }: NetcheckFacts): LinkCheck {
  const server = gathering.servers.find(({ address }) => isOfFamily(address, nat.family));
  const isLocal = ({ kind, linkId, address }: GatheringSnapshot["candidates"][number]): boolean =>
    kind === "host" && linkId === nat.linkId && isOfFamily(address.address, nat.family);
  return {
    link: server === undefined ? null : linkTo(server.address, nat.linkId),
    ipVersion: nat.family,
    udp: nat.udp,
    mapping: nat.mapping,
    filtering: nat.filtering,
    type: nat.type.toLowerCase(),
    publicAddresses: [...new Set(nat.samples.map(({ mapped }) => formatUdpAddress(mapped)))],
    localAddresses: gathering.candidates.filter(isLocal).map(({ address }) => formatUdpAddress(address)),
    hairpin: nat.hairpin,
    ports: nat.ports.pattern.kind,
    nextPorts: nextPortsOf(nat),
  };
}

/** Who was asked, with the answers; and who told something without being on the list (a server's second address). */
function stunServerChecks({ gathering, linkTo }: NetcheckFacts): StunServerCheck[] {
  const { nats, servers } = gathering;
  const asked = servers.filter(({ address }) => nats.some(({ family }) => isOfFamily(address, family)));
  const answers = nats.flatMap(({ linkId, samples }) => samples.map((sample) => ({ ...sample, linkId })));
  const silent = asked.filter((server) => !answers.some((answer) => udpAddressEquals(answer.server, server)));
  const describe = (server: UdpAddress, linkId: LinkId | null) => ({
    address: formatUdpAddress(server),
    link: linkTo(server.address, linkId),
  });
  return [
    ...answers.map(({ linkId, server, mapped, rttMs }) => {
      const rounded = rttMs === null ? null : roundMs(rttMs);
      return { ...describe(server, linkId), answered: true, rttMs: rounded, mapped: formatUdpAddress(mapped) };
    }),
    ...silent.map((server) => ({ ...describe(server, null), answered: false, rttMs: null, mapped: null })),
  ];
}

/** True if one is; false if all that are known are not; null if nothing is known. */
function anyOf(values: readonly (boolean | null)[]): boolean | null {
  if (values.includes(true)) return true;
  return values.includes(false) ? false : null;
}

function isOfFamily(address: string, family: 4 | 6): boolean {
  return address.includes(":") === (family === 6);
}

export function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
