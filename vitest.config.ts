import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.ts", "packages/*/test/**/*.test.ts", "tools/**/*.test.ts"],
          exclude: ["**/*.netns.test.ts", "**/node_modules/**", "tools/fixtures/**"],
          // Modules keep no state of their own, so that the files of a worker can share them.
          isolate: false,
          // By default one core is left out, which is half of two.
          maxWorkers: availableParallelism(),
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
