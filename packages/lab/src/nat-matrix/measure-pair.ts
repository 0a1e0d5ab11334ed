import { setTimeout as sleep } from "node:timers/promises";
import type { PingAnswer } from "@asterism/core/local-api";
import type { RelayWatch } from "./relay-watch.ts";
import type { Site } from "./sites.ts";

export interface PairTry {
  /** From the first packet to the first answer to any; `null`: none came. */
  readonly firstPingMs: number | null;
  /** From the first packet to the first answer that came by a direct path; `null`: none came in time. */
  readonly directMs: number | null;
  /** Whether the last answers all came by a direct path and the relay forwarded no data meanwhile. */
  readonly direct: boolean;
}

const PING_INTERVAL_MS = 20;
/** Longer than the goals by far, so that a pair that gets direct late is seen as such. */
const DIRECT_LIMIT_MS = 10_000;
const PING_TIMEOUT_MS = 5_000;
const END_PINGS = 10;
/** The far side may choose its direct path a moment later: so often its last answers are looked at anew. */
const END_TRIES = 10;

/** Lets `a` talk to `b` for the first time. */
export async function measurePair(a: Site, b: Site, watch: RelayWatch, mayBeDirect = true): Promise<PairTry> {
  const first = await untilDirect(a, b, mayBeDirect);
  if (first.firstPingMs === null) return { ...first, direct: false };
  for (let attempt = 0; attempt < (first.directMs === null ? 1 : END_TRIES); attempt++) {
    const relayedBefore = await watch.dataPackets();
    const answers = await ping(a, b, END_PINGS);
    const relayed = (await watch.dataPackets()) - relayedBefore;
    const allDirect = answers.every(({ rttMs, path }) => rttMs !== null && path.kind === "direct");
    if (allDirect && relayed === 0) return { ...first, direct: true };
  }
  return { ...first, direct: false };
}

/** Sends echoes until one is answered (by a direct path if there may be one), or the time is up. */
async function untilDirect(a: Site, b: Site, mayBeDirect: boolean): Promise<Pick<PairTry, "firstPingMs" | "directMs">> {
  const startedAt = performance.now();
  let firstPingMs: number | null = null;
  let directMs: number | null = null;
  const pending = new Set<Promise<void>>(); // bounded: by DIRECT_LIMIT_MS
  for (let sequence = 0; directMs === null && performance.now() - startedAt < DIRECT_LIMIT_MS; sequence++) {
    const one = echo(a, b, sequence).then(({ rttMs, path }) => {
      if (rttMs === null) return;
      const elapsedMs = performance.now() - startedAt;
      firstPingMs ??= elapsedMs;
      if (path.kind === "direct") directMs ??= elapsedMs;
    });
    pending.add(one);
    void one.finally(() => pending.delete(one));
    await sleep(PING_INTERVAL_MS);
    if (firstPingMs !== null && !mayBeDirect) break;
  }
  if (firstPingMs === null) await Promise.all(pending);
  return { firstPingMs, directMs };
}

async function ping(a: Site, b: Site, count: number): Promise<PingAnswer[]> {
  const answers: PingAnswer[] = [];
  for (let sequence = 0; sequence < count; sequence++) {
    answers.push(await echo(a, b, sequence));
    await sleep(PING_INTERVAL_MS);
  }
  return answers;
}

function echo(a: Site, b: Site, sequence: number): Promise<PingAnswer> {
  return a.client.ping({ peer: b.name, sequence, timeoutMs: PING_TIMEOUT_MS });
}
