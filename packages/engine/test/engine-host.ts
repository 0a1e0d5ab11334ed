/**
 * A process with one engine device, run by `EngineProcess` inside a network namespace.
 *
 * Takes `{ id, method, arguments }` and answers `{ id, result }` or `{ id, error }`; sends every batch of
 * events as `{ events }`.
 */
import { type EngineDevice, EngineError, openDevice } from "../src/index.ts";

interface Request {
  readonly id: number;
  readonly method: string;
  readonly arguments: readonly unknown[];
}

let device: EngineDevice | undefined;

function run(method: string, parameters: readonly unknown[]): unknown {
  if (method === "memory") return process.memoryUsage();
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

process.on("message", (request: Request) => {
  try {
    process.send?.({ id: request.id, result: run(request.method, request.arguments) });
  } catch (error) {
    const reason = error instanceof EngineError ? error.reason : "";
    process.send?.({ id: request.id, error: { reason, message: String(error) } });
  }
});
process.on("disconnect", () => process.exit(0));
