import type { JoinResponse } from "@asterism/core/control";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Follower } from "./agent-view.ts";
import {
  createMachine,
  createSignedRecord,
  joinWith,
  type Machine,
  startTestServer,
  type TestServer,
} from "./test-server.ts";
import { TestStream } from "./test-stream.ts";

let test: TestServer;
let runs = 0;
let joins = 0;
beforeAll(async () => {
  test = await startTestServer({
    joinLimits: { burst: 100_000, perSecond: 1000 },
    streamLimits: { requests: { burst: 1000, perSecond: 1000 } },
  });
});
afterAll(() => test.close());

interface Member {
  readonly machine: Machine;
  readonly joined: JoinResponse;
  sequence: number;
}

interface Step {
  readonly kind: "join" | "rename" | "remove" | "record" | "setting" | "reconnect" | "restart";
  readonly who: number;
  readonly name: string;
}

const operation: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("join" as const, "rename", "remove", "record", "setting", "reconnect", "restart"),
  who: fc.nat({ max: 30 }),
  name: fc.constantFrom("a", "b", "c", "d", "e", "f"),
});

describe("network map", () => {
  it("of an agent that follows deltas is the server's, after any history of changes, reconnects and restarts", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 25 }), async (operations) => {
        const network = `model${++runs}`;
        await test.admin.createNetwork({ name: network });
        const key = await test.key({ network, reusable: true });
        const watcher = createMachine();
        const watched = await joinWith(key, watcher, "watcher");
        const follower = new Follower(test, watcher, watched.nodeId);
        await follower.reconnect();
        const members: Member[] = [];
        for (const step of operations) {
          if (step.kind === "restart") await test.restart();
          if (step.kind === "restart" || step.kind === "reconnect") await follower.reconnect();
          else await change(step, members, key);
        }
        await follower.finish();
        const truth = new Follower(test, watcher, watched.nodeId);
        await truth.finish();
        expect(follower.view.version).toBe(truth.view.version);
        expect(follower.view.content()).toEqual(truth.view.content());
      }),
      { numRuns: 12 },
    );
  }, 60_000);
});

async function change({ kind, who, name }: Step, members: Member[], key: string): Promise<void> {
  const member = members[who % Math.max(1, members.length)];
  if (kind === "join" || member === undefined) {
    const machine = createMachine();
    members.push({ machine, joined: await joinWith(key, machine, `${name}-${++joins}`), sequence: 1 });
    return;
  }
  const { nodeId, network } = member.joined;
  if (kind === "remove") {
    await test.admin.removeDevice(nodeId);
    members.splice(members.indexOf(member), 1);
  } else if (kind === "setting") {
    await test.admin.changeNetwork(network.id, { hardNatPunching: who % 2 === 0 });
  } else if (kind === "rename") {
    await test.admin.renameDevice(nodeId, `${name}-${nodeId.slice(5, 12)}`);
  } else {
    const stream = await TestStream.connect(test.server, member.machine, nodeId);
    const record = createSignedRecord(member.machine, network.id, ++member.sequence);
    stream.socket.send({ type: "record", requestId: 1, ...record });
    await stream.next("done");
    stream.socket.terminate();
  }
}
