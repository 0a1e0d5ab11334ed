/** One tunnel over several links of two machines: engines in namespaces, iperf3 and ping through them. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Bundle } from "../../src/bench-multipath/bundle.ts";
import { measureTcp } from "../../src/net/iperf.ts";
import { Lab } from "../../src/net/lab.ts";
import type { LinkOptions } from "../../src/net/link-options.ts";

const RATE_MBIT = 20;

async function withBundle(links: readonly LinkOptions[], run: (bundle: Bundle) => Promise<void>): Promise<void> {
  await using lab = Lab.create("multipath");
  await run(await Bundle.open(lab, links));
}

function transfer(bundle: Bundle, seconds: number): Promise<{ bitsPerSecond: number }> {
  return measureTcp(bundle.b, bundle.a, { address: bundle.addressB, congestion: "cubic", seconds });
}

/** Longest time in which the tunnel brought nothing to `b`, in milliseconds, until `done`. */
async function longestStallMs(bundle: Bundle, done: () => boolean): Promise<number> {
  let longest = 0;
  let [before, since] = [0, performance.now()];
  while (!done()) {
    await sleep(50);
    const { stdout } = await bundle.b.exec(["cat", "/sys/class/net/ast0/statistics/rx_bytes"]);
    if (Number(stdout) !== before) since = performance.now();
    before = Number(stdout);
    longest = Math.max(longest, performance.now() - since);
  }
  return longest;
}

describe.concurrent("several links", () => {
  test("one flow gets more than a link, though both lose packets", async () => {
    const link: LinkOptions = { rateMbit: RATE_MBIT, delayMs: 10, lossRatio: 0.01 };
    await withBundle([link, { ...link, delayMs: 20 }], async (bundle) => {
      await bundle.use([0, 1], "aggregate");
      const mbit = (await transfer(bundle, 4)).bitsPerSecond / 1e6;
      process.stdout.write(
        `figure: one TCP flow over two links of 20 Mbit/s with 1 % loss: ${mbit.toFixed(1)} Mbit/s\n`,
      );
      expect(mbit).toBeGreaterThan(RATE_MBIT * 1.1);
    });
  });

  test("a link that is cut costs no connection and little time", async () => {
    const link: LinkOptions = { rateMbit: RATE_MBIT, delayMs: 5 };
    await withBundle([link, link], async (bundle) => {
      await bundle.use([0, 1], "aggregate");
      let done = false;
      const sending = transfer(bundle, 5).finally(() => {
        done = true;
      });
      const stall = longestStallMs(bundle, () => done);
      await sleep(2_000);
      await bundle.links[0]?.cut();
      const mbit = (await sending).bitsPerSecond / 1e6;
      process.stdout.write(
        `figure: one of two links cut: stalled for ${(await stall).toFixed(0)} ms, ${mbit.toFixed(1)} Mbit/s in all\n`,
      );
      expect(mbit).toBeGreaterThan(RATE_MBIT / 2);
      expect(await stall).toBeLessThan(4_000);
    });
  });

  test("a ping does not wait behind bulk in `auto`", async () => {
    const links = [5, 30].map((delayMs): LinkOptions => ({ rateMbit: RATE_MBIT, delayMs }));
    await withBundle(links, async (bundle) => {
      await bundle.use([0, 1], "auto");
      const idle = await bundle.a.ping(bundle.addressB, { count: 10, intervalMs: 50 });
      const sending = transfer(bundle, 4);
      await sleep(1_500);
      const busy = await bundle.a.ping(bundle.addressB, { count: 30, intervalMs: 50 });
      await sending;
      const [idleMs, busyMs] = [median(idle.rttsMs), median(busy.rttsMs)];
      process.stdout.write(`figure: ping beside bulk in auto: ${busyMs.toFixed(1)} ms, idle ${idleMs.toFixed(1)} ms\n`);
      expect(busyMs).toBeLessThan(4 * (1.5 * idleMs + 10));
    });
  });
});

function median(values: readonly number[]): number {
  return [...values].sort((x, y) => x - y)[Math.floor(values.length / 2)] ?? Number.POSITIVE_INFINITY;
}
