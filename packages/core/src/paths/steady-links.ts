import { formatUdpAddress } from "../net/index.ts";
import { linkPreferenceOf, type RemoteCandidate } from "./candidate.ts";

/**
 * The peer's links, by their link preference, that a call says the same of as what was known: as far as their own
 * addresses go, without those at relays. What was learnt of such a link holds.
 */
export function steadyLinks(
  before: readonly RemoteCandidate[],
  after: readonly RemoteCandidate[],
): ReadonlySet<number> {
  const known = addressesByLink(before);
  const steady = [...addressesByLink(after)].filter(([link, addresses]) => {
    const old = known.get(link);
    return link !== 0 && old?.size === addresses.size && [...addresses].every((address) => old.has(address));
  });
  return new Set(steady.map(([link]) => link));
}

function addressesByLink(candidates: readonly RemoteCandidate[]): Map<number, ReadonlySet<string>> {
  const own = candidates.filter(({ kind }) => kind !== "relayed");
  const links = Map.groupBy(own, ({ priority }) => linkPreferenceOf(priority));
  return new Map([...links].map(([link, of]) => [link, new Set(of.map(({ address }) => formatUdpAddress(address)))]));
}
