/** Agents that no direct path can join, and the relays that join them. */
import { describe, expect, test } from "vitest";
import { firstAnswerMs, ipv4Of, reportFigure, World } from "../e2e/world.ts";
import { type RelayedPair, relayedPair, startCoturn } from "./relayed-world.ts";

/** Pings both ways and checks that each packet took the relay at this address. */
async function expectRelayed({ west, east }: RelayedPair, relay: string): Promise<void> {
  reportFigure("first answer by the relay", await firstAnswerMs(west.host, await ipv4Of(east)), "ms", "< 300");
  for (const [from, to] of [
    [west, "east"],
    [east, "west"],
  ] as const) {
    const report = await from.ping(to, ["-c", "3"]);
    expect(report).toMatchObject({ sent: 3, received: 3, direct: false });
    const { path, txRelayedPackets, rxRelayedPackets, problem } = await from.peer(to);
    expect(path).toMatchObject({ kind: "relayed", relay });
    expect({ problem, sends: txRelayedPackets > 0, gets: rxRelayedPackets > 0 }).toEqual({
      problem: null,
      sends: true,
      gets: true,
    });
  }
}

describe("the relay inside the server", () => {
  test("carries a pair whose homes can't reach each other", async () => {
    await using world = await World.create("inserver");
    await expectRelayed(await relayedPair(world, "parted"), world.serverHost.ipv4);
  });

  test("carries a pair from relayed address to relayed address", async () => {
    await using world = await World.create("double");
    await expectRelayed(await relayedPair(world, "only-3478"), world.serverHost.ipv4);
  });

  test("carries it again after the server was killed and came back, without a word from anybody", async () => {
    await using world = await World.create("killed");
    const pair = await relayedPair(world, "only-3478");
    await expectRelayed(pair, world.serverHost.ipv4);
    await world.server.kill();
    await world.server.startAgain();
    const again = await firstAnswerMs(pair.west.host, await ipv4Of(pair.east), 60_000);
    reportFigure("first answer after the relay's restart", again / 1_000, "s", "< 30");
    await expectRelayed(pair, world.serverHost.ipv4);
  });
});

test("coturn carries a pair as the only relay", async () => {
  await using world = await World.create("coturn", ["--relay", "none"]);
  const host = await world.internet.host("coturn");
  await startCoturn(host, "a secret of coturn");
  await world.server.admin(["relay", "add", host.ipv4, "--secret", "a secret of coturn"]);
  await expectRelayed(await relayedPair(world, "parted"), host.ipv4);
});

describe("a member that relays", () => {
  const offering = { args: ["--offer-relay"] };

  test("carries a pair as the only relay, until it stops", async () => {
    await using world = await World.create("member", ["--relay", "none"]);
    const { stdout } = await world.server.admin(["key", "create", "--tag", "relay"]);
    const star = await world.agent(await world.internet.host("star"), offering);
    await star.join(stdout.trim());
    const pair = await relayedPair(world, "parted");
    await expectRelayed(pair, "star");
    // It has direct paths to both, and none by itself.
    expect(await star.ping("west")).toMatchObject({ received: 1, direct: true });
    await star.stop();
    await expect
      .poll(async () => JSON.parse((await world.server.admin(["relay", "list", "--json"])).stdout), { timeout: 20_000 })
      .toEqual([]);
    await expect
      .poll(() => pair.west.ping("east", ["-c", "1", "--timeout", "1"]), { timeout: 60_000 })
      .toMatchObject({
        received: 0,
      });
    await star.startAgain();
    await expect.poll(() => pair.west.ping("east"), { timeout: 60_000 }).toMatchObject({ received: 1, direct: false });
  });

  test("is not believed without the tag", async () => {
    await using world = await World.create("untagged", ["--relay", "none"]);
    const star = await world.agent(await world.internet.host("star"), offering);
    await star.join(await world.server.createKey());
    await star.process.waitForOutput(/may not relay for others: that takes the tag \\?"relay/, { stream: "stderr" });
    expect(JSON.parse((await world.server.admin(["relay", "list", "--json"])).stdout)).toEqual([]);
  });
});
