/** The parts of `npm run bench:relay`, briefly: what it measures must be there, not fast. */
import { expect, test } from "vitest";
import { METRICS, STREAMS } from "../../src/bench-relay/metrics.ts";
import { RELAYS, relayVersion } from "../../src/bench-relay/relay-server.ts";
import { measureMemory, type RunOptions, runRounds } from "../../src/bench-relay/run.ts";
import { divideCores } from "../../src/bench-relay/stage.ts";

const OPTIONS = { rounds: 3, milliseconds: 100, clients: 4, cores: divideCores(), log: () => undefined };

function withOneWindow(metrics: RunOptions["metrics"]): RunOptions["metrics"] {
  return Object.fromEntries(
    Object.entries(metrics).map(([name, metric]) => [name, { ...metric, windows: metric.windows.slice(0, 1) }]),
  );
}

test("traffic of every metric arrives through both relays", async () => {
  expect(await relayVersion("asterism")).toMatch(/^\d+\./);
  expect(await relayVersion("coturn")).toMatch(/^\d+\./);
  const pairs = await runRounds({ ...OPTIONS, metrics: withOneWindow(METRICS) });
  const streams = await runRounds({ ...OPTIONS, metrics: withOneWindow({ streams: STREAMS }), tcp: true });
  const all = { ...pairs, ...streams };
  // On a busy machine a relay may not get to run for a whole measurement.
  const silent = Object.keys(all).flatMap((name) =>
    RELAYS.filter((relay) => !all[name]?.some((pair) => pair[relay].value > 0 && pair[relay].cpuNsPerPacket > 0)).map(
      (relay) => `${name} ${relay}`,
    ),
  );
  expect(silent).toEqual([]);
  expect(Object.keys(pairs)).toEqual(Object.keys(METRICS));
});

test("the memory of allocations is told", async () => {
  const { beforeBytes, afterBytes } = await measureMemory("asterism", 70, divideCores());
  expect(beforeBytes).toBeGreaterThan(10 << 20);
  expect(afterBytes).toBeGreaterThan(beforeBytes);
});
