import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./tools/run/longest-first.ts";

/** Network tests that wait most of the time and count no packets or bytes per second: two of them run at a time. */
const WAITING_FILES = [
  "packages/lab/test/nat/port-mapping.netns.test.ts",
  "packages/lab/test/relay/throttled.netns.test.ts",
  "packages/lab/test/nat/same-nat.netns.test.ts",
  "packages/lab/test/e2e/server-outage.netns.test.ts",
];
const NETWORK_TESTS = { testTimeout: 120_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.ts", "packages/*/test/**/*.test.ts", "tools/**/*.test.ts"],
          exclude: ["**/*.netns.test.ts", "**/node_modules/**", "tools/fixtures/**"],
          // Modules keep no state of their own, so that the files of a worker can share them.
          isolate: false,
          // One more than there are cores: some tests wait for processes and timers.
          maxWorkers: availableParallelism() + 1,
          testTimeout: 45_000,
        },
      },
      {
        test: {
          ...NETWORK_TESTS,
          name: "netns",
          include: ["packages/*/src/**/*.netns.test.ts", "packages/*/test/**/*.netns.test.ts"],
          exclude: WAITING_FILES,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...NETWORK_TESTS,
          name: "netns-waiting",
          include: WAITING_FILES,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
