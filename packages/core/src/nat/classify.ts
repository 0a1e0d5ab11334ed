/** From samples to words: what RFC 5780 §4.3 and §4.4 conclude, with whatever servers there are. */
import { type UdpAddress, udpAddressEquals } from "../net/index.ts";
import { type MappedSample, NAT_BEHAVIOURS, type NatBehaviour, type NatType } from "./nat-types.ts";

/** Mapping behaviours that the samples of one socket don't exclude. */
export function possibleMappings(samples: readonly MappedSample[]): NatBehaviour[] {
  const pairs = samples.flatMap((a, index) => samples.slice(index + 1).map((b) => compareSamples(a, b)));
  const has = (isSameServer: boolean, isSameMapped: boolean): boolean =>
    pairs.some((pair) => pair.isSameServer === isSameServer && pair.isSameMapped === isSameMapped);
  if (has(true, false)) return ["address-and-port-dependent"];
  if (has(false, false))
    return has(true, true) ? ["address-dependent"] : ["address-dependent", "address-and-port-dependent"];
  if (has(false, true)) return ["endpoint-independent"];
  return has(true, true) ? ["endpoint-independent", "address-dependent"] : [...NAT_BEHAVIOURS];
}

function compareSamples(a: MappedSample, b: MappedSample): { isSameServer: boolean; isSameMapped: boolean } {
  return {
    isSameServer: a.server.address === b.server.address,
    isSameMapped: udpAddressEquals(a.mapped, b.mapped),
  };
}

/** Outcome of a request that asks for its answer from elsewhere (CHANGE-REQUEST, RFC 5780 §4.4). */
export type FilterTest = "answered" | "silent" | "untold";

/** `changedAddress`: the answer comes from another address and port; `changedPort`: from another port only. */
export function possibleFilterings(changedAddress: FilterTest, changedPort: FilterTest): NatBehaviour[] {
  if (changedAddress === "answered") return ["endpoint-independent"];
  const possible = new Set(NAT_BEHAVIOURS);
  if (changedAddress === "silent") possible.delete("endpoint-independent");
  if (changedPort === "answered") possible.delete("address-and-port-dependent");
  if (changedPort === "silent") {
    possible.delete("endpoint-independent");
    possible.delete("address-dependent");
  }
  return [...possible];
}

/** True if every server sees the address that the socket has. */
export function isUntranslated(samples: readonly MappedSample[], local: readonly UdpAddress[]): boolean {
  return (
    samples.length > 0 && samples.every(({ mapped }) => local.some((address) => udpAddressEquals(address, mapped)))
  );
}

/** The one name that fits everything that is possible, else `unknown`. */
export function natTypeOf(mappings: readonly NatBehaviour[], filterings: readonly NatBehaviour[]): NatType {
  const names = new Set<NatType>();
  for (const mapping of mappings) for (const filtering of filterings) names.add(nameOf(mapping, filtering));
  const [name] = names;
  return names.size === 1 && name !== undefined ? name : "unknown";
}

export function onlyOne(possible: readonly NatBehaviour[]): NatBehaviour | "unknown" {
  const [only] = possible;
  return possible.length === 1 && only !== undefined ? only : "unknown";
}

function nameOf(mapping: NatBehaviour, filtering: NatBehaviour): NatType {
  if (mapping !== "endpoint-independent") return "symmetric";
  if (filtering === "endpoint-independent") return "full cone";
  return filtering === "address-dependent" ? "restricted cone" : "port-restricted cone";
}
