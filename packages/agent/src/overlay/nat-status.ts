import type { NatStatus } from "@asterism/core/local-api";
import type { NatReport } from "@asterism/core/nat";

/** One line about the NATs of all links: that of IPv4 where UDP passes, before any other. */
export function natStatus(reports: readonly NatReport[]): NatStatus {
  const rank = ({ udp, family }: NatReport): number =>
    (udp === true ? 4 : 0) + (udp === false ? 2 : 0) + (family === 4 ? 1 : 0);
  const [first] = [...reports].sort((a, b) => rank(b) - rank(a));
  if (first === undefined) return { mapping: "unknown", filtering: "unknown", type: "unknown", udp: null };
  const { mapping, filtering, type, udp } = first;
  return { mapping, filtering, type: type.toLowerCase(), udp };
}
