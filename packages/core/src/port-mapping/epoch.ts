import type { Instant } from "../time.ts";

export interface Epoch {
  readonly seconds: number;
  readonly readAt: Instant;
}

/** True if the router has lost its mappings between two answers (RFC 6887 §8.5). */
export function hasRestarted(before: Epoch, after: Epoch): boolean {
  if (after.seconds + 1 < before.seconds) return true;
  const ours = (after.readAt - before.readAt) / 1_000;
  const theirs = after.seconds - before.seconds;
  return ours + 2 < theirs - theirs / 16 || theirs + 2 < ours - ours / 16;
}
