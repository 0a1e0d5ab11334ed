import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./tools/run/longest-first.ts";

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
          name: "netns",
          include: ["packages/*/src/**/*.netns.test.ts", "packages/*/test/**/*.netns.test.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
