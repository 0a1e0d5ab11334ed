import { pathAddressKey } from "@asterism/core/net";
import type { PathSnapshot } from "@asterism/core/paths";
import { expect, test } from "vitest";
import { pathUses } from "./path-uses.ts";

function path(linkId: number, weight: number): PathSnapshot {
  const address = { linkId, remote: { address: "192.0.2.1", port: 9 }, channel: null };
  // SAFETY: the rest of a snapshot is of no interest here.
  return { address, weight } as PathSnapshot;
}

/** Shares of these paths, where the links have carried so much lately. */
function shares(paths: readonly PathSnapshot[], recent?: Readonly<Record<number, number>>): number[] {
  const uses = recent && Object.entries(recent).map(([linkId, share]) => ({ linkId: Number(linkId), share }));
  const shell = {
    pathCounters: () => [],
    recentTraffic: () =>
      uses &&
      new Map(uses.map(({ linkId, share }) => [pathAddressKey(path(linkId, 0).address), { share, lossRatio: 0 }])),
  };
  return [...pathUses(shell, "node", paths).values()].map(({ share }) => share);
}

test.each<[string, readonly PathSnapshot[], Readonly<Record<number, number>> | undefined, readonly number[]]>([
  ["nothing is known: alike", [path(1, 2), path(2, 1), path(3, 0)], undefined, [0.5, 0.5, 0]],
  ["one path carries everything", [path(1, 1), path(2, 0)], undefined, [1, 0]],
  ["what was sent lately counts", [path(1, 2), path(2, 1)], { 1: 0.25, 2: 0.75 }, [0.25, 0.75]],
  [
    "paths that only carry requests are left out",
    [path(1, 2), path(2, 1), path(3, 0)],
    { 1: 0.4, 2: 0.4, 3: 0.2 },
    [0.5, 0.5, 0],
  ],
  ["what was sent by paths that are gone does not count", [path(1, 2), path(2, 1)], { 2: 0.25, 7: 0.75 }, [0, 1]],
  ["all that was sent went by such", [path(1, 2), path(2, 1)], { 7: 1 }, [0.5, 0.5]],
  ["no path works", [path(1, 0)], undefined, [0]],
])("shares of the paths that carry add up to 1: %s", (_what, paths, recent, expected) => {
  expect(shares(paths, recent)).toEqual(expected);
});
