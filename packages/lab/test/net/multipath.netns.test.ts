/** One tunnel over several links of two machines: engines in namespaces, iperf3 and ping through them. */
import { describe, expect, test } from "vitest";
import { Bundle } from "../../src/bench-multipath/bundle.ts";
import { measureCut, measurePing, withBundle } from "../../src/bench-multipath/figures.ts";
import { transfer } from "../../src/bench-multipath/transfer.ts";
import { Lab } from "../../src/net/lab.ts";
import type { LinkOptions } from "../../src/net/link-options.ts";

const RATE_MBIT = 20;

const figure = (text: string): boolean => process.stdout.write(`figure: ${text}\n`);

async function aggregate(links: readonly LinkOptions[], seconds: number): Promise<number> {
  await using lab = Lab.create("multipath");
  const bundle = await Bundle.open(lab, links);
  await bundle.use([...links.keys()], "aggregate");
  return await transfer(bundle, { seconds });
}

describe.concurrent("several links", () => {
  test("one flow gets more than a link, though both lose packets", async () => {
    const link: LinkOptions = { rateMbit: RATE_MBIT, delayMs: 10, lossRatio: 0.01 };
    const mbit = await aggregate([link, { ...link, delayMs: 20 }], 4);
    figure(`one TCP flow over two links of 20 Mbit/s with 1 % loss: ${mbit.toFixed(1)} Mbit/s`);
    expect(mbit).toBeGreaterThan(RATE_MBIT * 1.1);
  });

  test("what reorders, repeats and spoils packets, is slow one way, carries nothing or small packets costs little", async () => {
    const odd: LinkOptions = {
      rateMbit: RATE_MBIT,
      delayMs: 10,
      reorderRatio: 0.05,
      duplicateRatio: 0.02,
      corruptRatio: 0.01,
      down: { rateMbit: 1 },
    };
    const good: LinkOptions = { rateMbit: RATE_MBIT, delayMs: 15 };
    const hole: LinkOptions = { ...good, lossRatio: 1 };
    const narrow: LinkOptions = { ...good, mtuBytes: 1_280 };
    const mbit = await aggregate([odd, good, hole, narrow], 4);
    figure(`one TCP flow over an odd, a good, a dead and a narrow link of 20 Mbit/s: ${mbit.toFixed(1)} Mbit/s`);
    expect(mbit).toBeGreaterThan(RATE_MBIT / 2);
  });

  test("a link that is cut costs no connection and little time", async () => {
    const { mbit, cutStallMs } = await withBundle([5, 5], measureCut);
    figure(`one of two links cut: stalled for ${cutStallMs.toFixed(0)} ms, ${mbit.toFixed(1)} Mbit/s in all`);
    expect(mbit).toBeGreaterThan(RATE_MBIT / 2);
    expect(cutStallMs).toBeLessThan(4_000);
  });

  test("a ping does not wait behind bulk in `auto`", async () => {
    const { pingIdleMs, pingBesideBulkMs } = await withBundle([5, 30], measurePing);
    figure(`ping beside bulk in auto: ${pingBesideBulkMs.toFixed(1)} ms, idle ${pingIdleMs.toFixed(1)} ms`);
    expect(pingBesideBulkMs).toBeLessThan(4 * (1.5 * pingIdleMs + 10));
  });
});
