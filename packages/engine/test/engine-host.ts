/**
 * A process with one engine device, run by `EngineProcess` inside a network namespace.
 *
 * Takes `{ id, method, arguments }` and answers `{ id, result }` or `{ id, error }`; sends every batch of
 * events as `{ events }`.
 */
import { readdirSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type EngineDevice, EngineError, openDevice } from "../src/index.ts";

interface Request {
  readonly id: number;
  readonly method: string;
  readonly arguments: readonly unknown[];
}

interface Footprint {
  readonly files: number;
  readonly threads: number;
  readonly residentBytes: number;
}

let device: EngineDevice | undefined;

function footprint(): Footprint {
  return {
    files: readdirSync("/proc/self/fd").length,
    threads: readdirSync("/proc/self/task").length,
    residentBytes: process.memoryUsage().rss,
  };
}

/** Opens and closes a device `count` times, each with a link, a peer and something staged. */
async function openAndClose(options: Parameters<typeof openDevice>[0], count: number): Promise<Footprint> {
  for (let i = 0; i < count; i++) {
    const cycled = openDevice(options, () => undefined);
    const link = cycled.openLink({ port: 0, ipv4: "0.0.0.0", ipv6: "::" });
    const peerId = cycled.addPeer();
    const remote = { address: "192.0.2.1", port: 9 };
    cycled.setPaths(
      peerId,
      [{ linkId: link.id, remote, channel: null, relayed: false, weight: 1, mtuBytes: 0 }],
      "best",
    );
    cycled.sendInner(peerId, new Uint8Array(1000));
    cycled.close();
    // Node gives back what a closed device held in a turn of its own.
    await nextTurn();
  }
  globalThis.gc?.();
  await nextTurn();
  return footprint();
}

function run(method: string, parameters: readonly unknown[]): unknown {
  if (method === "footprint") return footprint();
  if (method === "openAndClose") {
    // SAFETY: the parent process passes device options and a count.
    return openAndClose(parameters[0] as Parameters<typeof openDevice>[0], parameters[1] as number);
  }
  if (method === "open") {
    // SAFETY: the parent process passes what openDevice takes.
    const options = parameters[0] as Parameters<typeof openDevice>[0];
    device = openDevice(options, (events) => process.send?.({ events }));
    return { interfaceName: device.interfaceName, interfaceIndex: device.interfaceIndex, offloads: device.offloads };
  }
  if (device === undefined) throw new Error("open first");
  // SAFETY: methods are named by the parent's typed proxy.
  const methods = device as unknown as Record<string, (...values: readonly unknown[]) => unknown>;
  return methods[method]?.call(device, ...parameters);
}

async function answer(request: Request): Promise<void> {
  try {
    process.send?.({ id: request.id, result: await run(request.method, request.arguments) });
  } catch (error) {
    const reason = error instanceof EngineError ? error.reason : "";
    process.send?.({ id: request.id, error: { reason, message: String(error) } });
  }
}

process.on("message", (request: Request) => void answer(request));
process.on("disconnect", () => process.exit(0));
