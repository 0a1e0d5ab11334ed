import { expect, test } from "vitest";
import { measureTcp } from "../../src/index.ts";
import { ipv4Of, reportFigure, World } from "./world.ts";

interface Explanation {
  readonly advice: { readonly case: string; readonly text: string };
  readonly history: { readonly changes: readonly { readonly why: string }[] };
}

test("a direct path on which large packets vanish gives way to the relay, and explain says why", async () => {
  await using world = await World.create("narrow");
  const hosts = await Promise.all(["a", "b"].map((name) => world.internet.host(name, { ipv6: false })));
  const [hostA, hostB] = hosts;
  const pair = `{ ${hosts.map(({ ipv4 }) => ipv4).join(", ")} }`;
  await world.internet.router.nft(`
table ip lab_narrow {
  chain forward {
    type filter hook forward priority filter;
    ip saddr ${pair} ip daddr ${pair} meta l4proto udp meta length > 600 counter drop
  }
}
`);
  const [a, b] = await world.members(hostA!, hostB!);
  const address = await ipv4Of(b!);
  const startedAt = performance.now();
  await hostA!.ping(address, { count: 5, intervalMs: 200 });
  const explain = async (): Promise<Explanation> => JSON.parse((await a!.command(["explain", "b", "--json"])).stdout);
  // A pair may be relayed at first because it is not direct yet.
  const isAway = () => expect.poll(async () => (await explain()).advice.case, { timeout: 20_000 });
  await isAway().toBe("relayed-small-packets-only");
  reportFigure("away from the narrow path after", performance.now() - startedAt, "ms", "3000");
  const { bitsPerSecond } = await measureTcp(hostB!, hostA!, { address, seconds: 1 });
  expect(bitsPerSecond / 1e6).toBeGreaterThan(5);
  await isAway().toBe("relayed-small-packets-only");
  const { advice, history } = await explain();
  expect(advice.text).toContain("large ones vanish");
  expect(history.changes.map(({ why }) => why)).toContain("large packets vanish on the former path");
});
