/** The product between NATs of the kernel; every pair there is is measured by `npm run nat-matrix`. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { measurePair } from "../../src/nat-matrix/measure-pair.ts";
import { type Site, Sites } from "../../src/nat-matrix/sites.ts";
import { PORT_BLOCK } from "../../src/net/nat.ts";

/** Far beyond the goals: here the machine may be busy. */
const SOON_MS = 5_000;
const LIMIT_MS = 20_000;

let sites: Sites;
let restricted: Site;
let narrow: Site;
let symmetric: Site;
let open: Site;
let block: Site;

beforeAll(async () => {
  sites = await Sites.create("pairs", { delayMs: 5 });
  const added = await sites.add({
    restricted: "restricted-cone",
    narrow: "port-restricted",
    symmetric: "symmetric",
    open: "full-cone",
    block: "port-block",
  });
  [restricted, narrow, symmetric, open, block] = added as [Site, Site, Site, Site, Site];
});
afterAll(() => sites[Symbol.asyncDispose]());

test("each agent finds out its own NAT", async () => {
  const types = await Promise.all(
    [restricted, narrow, symmetric, open].map(async ({ client }) => (await client.status()).networks[0]?.self.nat.type),
  );
  expect(types).toEqual(["restricted cone", "port-restricted cone", "symmetric", "full cone"]);
});

test.each([
  ["full-cone", () => open],
  ["restricted-cone", () => restricted],
] as const)("symmetric to %s becomes direct", async (_, peer) => {
  const result = await measurePair(symmetric, peer(), sites.relayWatch);
  expect(result.direct).toBe(true);
  expect(result.firstPingMs).toBeLessThan(SOON_MS);
});

test("port-restricted to symmetric is answered by the relay until a hole is punched", async () => {
  const before = await sites.relayWatch.dataPackets();
  const result = await measurePair(narrow, symmetric, sites.relayWatch);
  expect(result.firstPingMs).toBeLessThan(SOON_MS);
  expect((await sites.relayWatch.dataPackets()) - before).toBeGreaterThan(20);
  expect(result.direct).toBe(true);
  process.stdout.write(`  figure: port-restricted to symmetric direct after ${result.directMs?.toFixed(0)} ms\n`);
});

test("where the network's setting forbids it, no port is guessed, and both ends say so", async () => {
  await sites.admin(["network", "set", "default", "--hard-nat-punching", "off"]);
  const ends = [[narrow, block], [block, narrow]] as const; // biome-ignore format: short
  await Promise.all(
    ends.map(([end, peer]) =>
      // Talks for longer than an attempt would otherwise wait.
      expect
        .poll(() => end.client.explain({ peer: peer.name }), { timeout: LIMIT_MS })
        .toMatchObject({
          path: { kind: "relayed" },
          punching: { state: "off", attempts: [] },
          advice: {
            case: "relayed-symmetric-port-restricted",
            text: expect.stringContaining("guessing ports is switched off in this network") as unknown,
          },
        }),
    ),
  );
  await sites.admin(["network", "set", "default", "--hard-nat-punching", "on"]);
});

test("port-restricted to a carrier's port block: both ends know the block, and the hole is punched there", async () => {
  const result = await measurePair(narrow, block, sites.relayWatch);
  expect(result.direct).toBe(true);
  process.stdout.write(`  figure: port-restricted to port block direct after ${result.directMs?.toFixed(0)} ms\n`);
  const { nextPorts } = await narrow.client.explain({ peer: "block" });
  const [range] = nextPorts.there[0]?.ranges ?? [];
  expect(nextPorts).toMatchObject({ here: [], there: [{ kind: "block" }] });
  expect(range?.first).toBeLessThanOrEqual(PORT_BLOCK.last);
  expect(range?.last).toBeGreaterThanOrEqual(PORT_BLOCK.first);
  const [own] = (await block.client.netcheck()).networks[0]?.links ?? [];
  expect(own).toMatchObject({ type: "symmetric", ports: "block", nextPorts: { kind: "block" } });
});

test("port-restricted to restricted-cone goes on when server and relay are cut off", async () => {
  const result = await measurePair(narrow, restricted, sites.relayWatch);
  expect(result.direct).toBe(true);
  await Promise.all(sites.serverHost.attachments.map((uplink) => uplink.cut()));
  const address = (await narrow.agent.peer("restricted")).ipv4;
  // Longer than any path is trusted without an answer.
  const ping = await narrow.agent.host.ping(address ?? "", { count: 40, intervalMs: 200, timeoutMs: 2_000 });
  expect(ping.received).toBe(ping.sent);
  expect((await narrow.agent.peer("restricted")).path.kind).toBe("direct");
});
