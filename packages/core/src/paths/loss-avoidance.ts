/** What a path that loses much means for the others (`LossWatch` tells which does). */
import type { Instant } from "../time.ts";
import type { Path } from "./path.ts";

/** A path that loses much may look dead for some seconds. */
const LATELY_MS = 60_000;

/** A path loses much that has answered lately: what makes one path lose may make others lose as well. */
export function isAnyLossy(paths: Iterable<Path>, now: Instant): boolean {
  return [...paths].some(({ isLossy, answeredAt }) => {
    return isLossy && answeredAt !== undefined && now - answeredAt < LATELY_MS;
  });
}

/** What reaches the peer over UDP loses so much that a stream may serve better. */
export function isStreamBetter(paths: Iterable<Path>): boolean {
  const overUdp = [...paths].filter((path) => path.isUsable && !path.overStream);
  return overUdp.some((path) => path.isLossy) && !overUdp.some((path) => path.isProven);
}
