import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { ReconnectSchedule } from "@asterism/core/control";
import { isAsterismError } from "@asterism/core/errors";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createMachine, joinWith, type Machine, startTestServer, type TestServer } from "./test-server.ts";
import { TestStream } from "./test-stream.ts";

const AGENTS = 40;
/** Less than the agents of a busy machine manage to ask for, so that some are refused. */
const NEW_STREAMS = { burst: 10, perSecond: 5 };

interface Agent {
  readonly machine: Machine;
  readonly nodeId: string;
}

let test: TestServer;
const agents: Agent[] = [];
beforeAll(async () => {
  test = await startTestServer({
    joinLimits: { burst: 10_000, perSecond: 1 },
    streamLimits: { newStreams: NEW_STREAMS },
  });
  const key = await test.key({ reusable: true });
  for (let index = 0; index < AGENTS; index++) {
    const machine = createMachine();
    agents.push({ machine, nodeId: (await joinWith(key, machine, `m${index}`)).nodeId });
  }
}, 60_000);
afterAll(() => test.close());

/** Comes back as an agent does. Gives the stream, and how often the server had no time. */
async function comeBack({ machine, nodeId }: Agent): Promise<{ stream: TestStream; refusals: number }> {
  const schedule = new ReconnectSchedule((sizeBytes) => randomBytes(sizeBytes));
  let refusals = 0;
  let atLeastMs = 0;
  for (;;) {
    await delay(schedule.nextDelayMs(performance.now(), atLeastMs));
    try {
      return { stream: await TestStream.connect(test.server, machine, nodeId), refusals };
    } catch (error) {
      if (!isAsterismError(error, "server-unreachable")) throw error;
      const wanted = error.details["retryAfterMs"];
      atLeastMs = typeof wanted === "number" ? wanted : 0;
      if (typeof wanted === "number") refusals += 1;
    }
  }
}

it("many agents that come back at once are let in one after the other, and all hear of each other", async () => {
  const startedAt = performance.now();
  const connectedAt: number[] = [];
  const back = await Promise.all(
    agents.map(async (agent) => {
      const result = await comeBack(agent);
      connectedAt.push(performance.now() - startedAt);
      return result;
    }),
  );
  const refusals = back.reduce((sum, one) => sum + one.refusals, 0);
  const perSecond = Object.values(Object.groupBy(connectedAt, (ms) => Math.floor(ms / 1000))).map((one) => one?.length);
  process.stdout.write(
    `  figure: ${AGENTS} agents back, by the second: ${perSecond.join(" ")}; refused ${refusals} times\n`,
  );
  expect(refusals).toBeGreaterThan(0);
  expect(Math.max(...connectedAt)).toBeLessThan(45_000);
  const [first] = back;
  const online = new Set<string>();
  await first!.stream.next("presence", ({ online: names }) => {
    for (const name of names) online.add(name);
    return online.size === AGENTS;
  });
  for (const { stream } of back) stream.socket.terminate();
}, 60_000);

it("who is refused is told when to come back, and comes back then", async () => {
  const busy = await startTestServer({ streamLimits: { newStreams: { burst: 1, perSecond: 0.001 } } });
  try {
    const first = await TestStream.open(busy.server);
    const refused = await TestStream.open(busy.server).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "server-unreachable", message: expect.stringContaining("503") });
    expect(isAsterismError(refused) ? refused.details["retryAfterMs"] : 0).toBeGreaterThanOrEqual(1_000);
    first.socket.terminate();
  } finally {
    await busy.close();
  }
});
