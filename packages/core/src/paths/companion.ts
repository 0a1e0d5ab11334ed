/** Which other path carries the traffic together with the active one while that is in doubt. */
import type { Instant } from "../time.ts";
import { sharedLinks } from "./carriers.ts";
import type { Path } from "./path.ts";

/**
 * Of `others`, the best first, the one that is least likely to have died with `active`: by other relays, then one that is
 * trusted, then by other links of both ends. Undefined if there is none.
 */
export function companionOf(active: Path, others: readonly Path[], now: Instant): Path | undefined {
  const rankOf = (path: Path): number => {
    return (sharesRelay(path, active) ? 8 : 0) + (path.isTrusted(now) ? 0 : 4) + sharedLinks(path, active);
  };
  return others.reduce<Path | undefined>(
    (best, path) => (best === undefined || rankOf(path) < rankOf(best) ? path : best),
    undefined,
  );
}

function sharesRelay(a: Path, b: Path): boolean {
  const relays = relaysOf(a);
  return relaysOf(b).some((relay) => relays.includes(relay));
}

/** Addresses of the relays on the way, ours and the peer's. */
function relaysOf({ address, remoteKind, peer }: Path): string[] {
  const ours = address.channel === null ? [] : [address.remote.address];
  return remoteKind === "relayed" ? [...ours, peer.address] : ours;
}
