import { describe, expect, it } from "vitest";
import type { PathAddress } from "../net/index.ts";
import { addMs, type Instant } from "../time.ts";
import { ActivePath } from "./active-path.ts";
import { candidatePriority } from "./candidate.ts";
import type { Path } from "./path.ts";
import { PathSet } from "./path-set.ts";

const START = 1_000_000 as Instant;

/** Paths over one link, to relayed addresses of the peer's; the round trip of each tells the relay. */
function relayedPaths(...rttsMs: number[]): { set: PathSet; paths: Path[] } {
  const set = new PathSet([], 1_440);
  const local = { kind: "host", address: { address: "192.0.2.1", port: 41_641 }, linkId: 1 } as const;
  set.setLinks([{ ...local, priority: candidatePriority("host", 0) }]);
  const addresses: PathAddress[] = rttsMs.map((_, index) => ({
    linkId: 1,
    remote: { address: "198.51.100.1", port: 50_000 + index },
    channel: null,
  }));
  const priority = candidatePriority("relayed", 0);
  set.setRemotes(addresses.map(({ remote }) => ({ kind: "relayed", address: remote, priority }) as const));
  const paths = addresses.map((address) => set.get(address)!);
  for (const [index, path] of paths.entries()) answer(path, rttsMs[index]!, START);
  return { set, paths };
}

function answer(path: Path, rttMs: number, now: Instant): void {
  path.handleAnswer(rttMs, { address: "192.0.2.1", port: 41_641 }, now);
}

describe("the active path", () => {
  it("goes over to a path that answers, past others that have come into question with it", () => {
    const { set, paths } = relayedPaths(10, 12, 250);
    const [first, second, far] = paths as [Path, Path, Path];
    const active = new ActivePath();
    active.choose(set, START);
    expect(active.path).toBe(first);
    // Their relay has died: two checks each are in vain.
    for (const path of [first, second]) {
      path.handleCheckSent(addMs(START, 1_000));
      path.handleCheckSent(addMs(START, 1_200));
    }
    const now = addMs(START, 1_450);
    answer(far, 250, now);
    const changes = Array.from({ length: 5 }, (_, index) => active.choose(set, addMs(now, index)));
    expect(active.path).toBe(far);
    expect(changes.filter((change) => change !== undefined)).toHaveLength(1);
  });
});
