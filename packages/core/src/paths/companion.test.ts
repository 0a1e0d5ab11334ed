import { describe, expect, it } from "vitest";
import type { PathAddress } from "../net/index.ts";
import { addMs, type Instant } from "../time.ts";
import { type CandidateKind, candidatePriority } from "./candidate.ts";
import { companionOf } from "./companion.ts";
import type { Path } from "./path.ts";
import { PathSet } from "./path-set.ts";

const START = 1_000_000 as Instant;
const NOW = addMs(START, 1_000);
const [NEAR, FAR] = ["198.51.100.1", "198.51.100.2"];

/** Paths over links 1 and 2 to addresses of the peer's, all of which have just answered. */
function pathsTo(...remotes: readonly (readonly [CandidateKind, string])[]): (linkId: 1 | 2, index: number) => Path {
  const set = new PathSet([], 1_440);
  const links = [1, 2].map((linkId) => {
    const address = { address: `192.0.2.${linkId}`, port: 41_641 };
    return { kind: "host", address, linkId, priority: candidatePriority("host", 0) } as const;
  });
  set.setLinks(links);
  const candidates = remotes.map(([kind, address], index) => ({
    kind,
    address: { address, port: 50_000 + index },
    priority: candidatePriority(kind, 0),
  }));
  set.setRemotes(candidates);
  for (const path of set.all()) path.handleAnswer(10, { address: "192.0.2.1", port: 41_641 }, START);
  return (linkId, index) => {
    const address: PathAddress = { linkId, remote: candidates[index]!.address, channel: null };
    return set.get(address)!;
  };
}

describe("the companion of a path in doubt", () => {
  it("goes by another relay, though others come before it and only they are trusted", () => {
    const path = pathsTo(["relayed", NEAR], ["relayed", NEAR], ["relayed", FAR]);
    path(1, 2).doubt(NOW);
    expect(companionOf(path(1, 0), [path(2, 0), path(1, 1), path(1, 2)], NOW)).toBe(path(1, 2));
  });

  it("is a trusted one, then one by another link, then the best", () => {
    const path = pathsTo(["host", "203.0.113.1"], ["host", "203.0.113.2"], ["host", "203.0.113.3"]);
    const others = [path(1, 1), path(1, 2), path(2, 2), path(2, 1)];
    expect(companionOf(path(1, 0), others, NOW)).toBe(path(2, 2));
    path(2, 1).doubt(NOW);
    path(2, 2).doubt(NOW);
    expect(companionOf(path(1, 0), others, NOW)).toBe(path(1, 1));
    expect(companionOf(path(1, 0), [], NOW)).toBeUndefined();
  });
});
