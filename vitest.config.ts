import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.ts", "packages/*/test/**/*.test.ts", "tools/**/*.test.ts"],
          exclude: ["**/*.netns.test.ts", "**/node_modules/**", "tools/fixtures/**"],
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
