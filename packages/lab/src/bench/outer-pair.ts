import type { Host } from "../net/host.ts";
import type { Lab } from "../net/lab.ts";
import type { Setting } from "./scenario.ts";

export interface OuterPair {
  readonly a: Host;
  readonly b: Host;
  readonly outerA: string;
  readonly outerB: string;
  readonly ipv6A: string;
  readonly ipv6B: string;
}

/** Two machines joined by one cable: the same for every contender. */
export async function outerPair(lab: Lab, setting: Setting): Promise<OuterPair> {
  const [a, b] = await Promise.all([lab.host("a"), lab.host("b")]);
  const link = await lab.wire(a, b, { offloads: setting.offloads });
  const [outerA, outerB, ipv6A, ipv6B] = ["203.0.113.10", "203.0.113.11", "2001:db8::a", "2001:db8::b"];
  await Promise.all([
    a.ip([
      `addr add ${outerA}/24 dev ${link.a.interfaceName}`,
      `addr add ${ipv6A}/64 dev ${link.a.interfaceName} nodad`,
    ]),
    b.ip([
      `addr add ${outerB}/24 dev ${link.b.interfaceName}`,
      `addr add ${ipv6B}/64 dev ${link.b.interfaceName} nodad`,
    ]),
  ]);
  return { a, b, outerA, outerB, ipv6A, ipv6B };
}
