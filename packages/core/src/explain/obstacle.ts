import type { PeerExplanation } from "../local-api/index.ts";

/** What the advice is made of. */
export type Facts = Omit<PeerExplanation, "advice" | "modeAdvice">;

export type ObstacleCase =
  | "udp-blocked-here"
  | "udp-blocked-there"
  | "no-common-ip-version"
  | "udp-throttled"
  | "symmetric-both"
  | "symmetric-port-restricted"
  | "one-way"
  | "small-packets-only"
  | "same-nat"
  | "looking"
  | "nat-unknown"
  | "firewall";

export interface Obstacle {
  readonly case: ObstacleCase;
  /** A clause: why there is no direct path. */
  readonly why: string;
  /** A clause: what would help; null if nothing needs doing. */
  readonly help: string | null;
}

type Candidates = readonly { readonly candidate: string; readonly address: string }[];

/** Where this end most likely is, as the world sees it. */
export function publicIpv4(candidates: Candidates): string | undefined {
  const found = candidates.find(
    ({ candidate, address }) => candidate === "server-reflexive" && versionOf(address) === 4,
  );
  return found?.address.split(":")[0];
}

export function versionOf(address: string): 4 | 6 {
  return address.startsWith("[") ? 6 : 4;
}
