import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { execute } from "../../src/index.ts";

const DEMO = fileURLToPath(new URL("../../src/demo/main.ts", import.meta.url));

test("the demo ends by itself, and its pings go from relayed to direct", async () => {
  const { stdout } = await execute([process.execPath, DEMO], { timeoutMs: 100_000 });
  expect(stdout).toMatch(/ relayed via .* direct .*\n +\d+ sent.*, 0% packet loss.*everything is cleaned up/s);
});

test("three lines carry more than one, and the connection outlives a cut", async () => {
  const { stdout } = await execute([process.execPath, DEMO, "multipath", "--short"], { timeoutMs: 120_000 });
  expect(stdout).toMatch(
    /aggregate.*SHARE +RATE.*eth2 .*One connection: .*is cut.*aggregate over 3 paths.*everything is cleaned up/s,
  );
});
