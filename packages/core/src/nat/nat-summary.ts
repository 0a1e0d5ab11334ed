import type { NatFacts, NatReport } from "./nat-types.ts";

/** One entry for each IP version that was examined: the link that is best off, IPv4 first. */
export function summariseNats(reports: readonly NatReport[]): NatFacts[] {
  return ([4, 6] as const).flatMap((family) => {
    const [best] = reports
      .filter((report) => report.family === family)
      .sort((a, b) => worth(b) - worth(a) || a.linkId - b.linkId);
    if (best === undefined) return [];
    const { mapping, filtering, udp } = best;
    return [{ family, type: best.type.toLowerCase(), mapping, filtering, udp }];
  });
}

/** UDP before none; then the NAT that lets more in, an unknown one last. */
function worth({ udp, type }: NatReport): number {
  const order = ["unknown", "symmetric", "port-restricted cone", "restricted cone", "full cone", "none"];
  return (udp === true ? 10 : 0) + order.indexOf(type);
}
