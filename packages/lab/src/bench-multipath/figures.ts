/** What multipath costs others and itself: pings beside bulk, a link that is cut, two links without a limit. */
import { setTimeout as sleep } from "node:timers/promises";
import { Lab } from "../net/lab.ts";
import type { LinkOptions } from "../net/link-options.ts";
import { Bundle } from "./bundle.ts";
import { transfer } from "./transfer.ts";

export interface Figures {
  /** Median round trips in `auto`, without and with a bulk transfer beside them. */
  readonly pingIdleMs: number;
  readonly pingBesideBulkMs: number;
  /** Longest time without any packet when one of two links is cut in the middle of a transfer. */
  readonly cutStallMs: number;
  /** Two links without a limit of their own: what the processor allows. */
  readonly unlimitedBestMbit: number;
  readonly unlimitedAggregateMbit: number;
}

const RATE_MBIT = 20;
const POLL_MS = 20;

export async function measureFigures(seconds: number): Promise<Figures> {
  return {
    ...(await withBundle([5, 30], measurePing)),
    ...(await withBundle([5, 5], measureCut)),
    ...(await measureUnlimited(seconds)),
  };
}

export function withBundle<T>(delaysMs: readonly number[], run: (bundle: Bundle) => Promise<T>): Promise<T> {
  return withLinks(
    delaysMs.map((delayMs) => ({ rateMbit: RATE_MBIT, delayMs })),
    run,
  );
}

async function withLinks<T>(links: readonly LinkOptions[], run: (bundle: Bundle) => Promise<T>): Promise<T> {
  await using lab = Lab.create("multi");
  return await run(await Bundle.open(lab, links));
}

export async function measurePing(bundle: Bundle): Promise<Pick<Figures, "pingIdleMs" | "pingBesideBulkMs">> {
  await bundle.use([0, 1], "auto");
  const idle = await bundle.a.ping(bundle.addressB, { count: 20, intervalMs: 50 });
  const sending = transfer(bundle, { seconds: 5 });
  await sleep(2_000);
  const busy = await bundle.a.ping(bundle.addressB, { count: 40, intervalMs: 50 });
  await sending;
  return { pingIdleMs: median(idle.rttsMs), pingBesideBulkMs: median(busy.rttsMs) };
}

export async function measureCut(bundle: Bundle): Promise<Pick<Figures, "cutStallMs"> & { readonly mbit: number }> {
  await bundle.use([0, 1], "aggregate");
  let done = false;
  const sending = transfer(bundle, { seconds: 5 }).finally(() => {
    done = true;
  });
  await sleep(2_000);
  const stall = longestStallMs(bundle, () => done);
  await bundle.links[0]?.cut();
  return { mbit: await sending, cutStallMs: await stall };
}

/** Longest time in which the tunnel brought nothing to `b`, until `done`. */
async function longestStallMs(bundle: Bundle, done: () => boolean): Promise<number> {
  let longest = 0;
  let [before, since] = [0, performance.now()];
  while (!done()) {
    await sleep(POLL_MS);
    const { stdout } = await bundle.b.exec(["cat", "/sys/class/net/ast0/statistics/rx_bytes"]);
    if (Number(stdout) !== before) since = performance.now();
    before = Number(stdout);
    longest = Math.max(longest, performance.now() - since);
  }
  return longest;
}

async function measureUnlimited(
  seconds: number,
): Promise<Pick<Figures, "unlimitedBestMbit" | "unlimitedAggregateMbit">> {
  return await withLinks([{}, {}], async (bundle) => {
    await bundle.use([0, 1], "best");
    const unlimitedBestMbit = await transfer(bundle, { seconds });
    await bundle.use([0, 1], "aggregate");
    return { unlimitedBestMbit, unlimitedAggregateMbit: await transfer(bundle, { seconds }) };
  });
}

function median(values: readonly number[]): number {
  return [...values].sort((x, y) => x - y)[Math.floor(values.length / 2)] ?? Number.POSITIVE_INFINITY;
}
