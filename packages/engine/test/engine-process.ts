/** Controls an engine device that runs in a process of its own, in a network namespace. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { DeviceOptions, EngineDevice, EngineEvent } from "../src/index.ts";

const HOST = fileURLToPath(new URL("./engine-host.ts", import.meta.url));

type Method = keyof {
  [K in keyof EngineDevice as EngineDevice[K] extends (...values: never[]) => unknown ? K : never]: true;
};
type Parameters_<M extends Method> = EngineDevice[M] extends (...values: infer P) => unknown ? P : never;
type Result<M extends Method> = EngineDevice[M] extends (...values: never[]) => infer R ? R : never;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface Footprint {
  readonly files: number;
  readonly threads: number;
  readonly residentBytes: number;
}

export class EngineProcess {
  readonly events: EngineEvent[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Set<() => void>();
  #nextId = 1;

  /** `wrapper`: a command that runs the process, as `setpriv …`. */
  constructor(namespace: string, wrapper: readonly string[] = []) {
    this.#child = spawn("ip", ["netns", "exec", namespace, ...wrapper, process.execPath, "--expose-gc", HOST], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      serialization: "advanced",
    });
    this.#child.on("message", (message: Record<string, unknown>) => this.#receive(message));
    this.#child.on("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the engine process ended"));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  open(options: DeviceOptions): Promise<Pick<EngineDevice, "interfaceName" | "interfaceIndex" | "offloads">> {
    // SAFETY: engine-host.ts answers `open` with these fields.
    return this.#request("open", [options]) as Promise<EngineDevice>;
  }

  call<M extends Method>(method: M, ...parameters: Parameters_<M>): Promise<Result<M>> {
    // SAFETY: engine-host.ts calls the device's method of that name.
    return this.#request(method, parameters) as Promise<Result<M>>;
  }

  footprint(): Promise<Footprint> {
    // SAFETY: engine-host.ts answers with these fields.
    return this.#request("footprint", []) as Promise<Footprint>;
  }

  /** Opens and closes a device `count` times; what the process holds afterwards. */
  openAndClose(options: DeviceOptions, count: number): Promise<Footprint> {
    // SAFETY: engine-host.ts answers with these fields.
    return this.#request("openAndClose", [options, count]) as Promise<Footprint>;
  }

  /** Calls any method with any arguments, as no typed program would. */
  misuse(method: string, ...parameters: unknown[]): Promise<unknown> {
    return this.#request(method, parameters);
  }

  /** The first event, past or future, that satisfies the test. */
  event<K extends EngineEvent["kind"]>(
    kind: K,
    accept: (event: Extract<EngineEvent, { kind: K }>) => boolean = () => true,
    timeoutMs = 5000,
  ): Promise<Extract<EngineEvent, { kind: K }>> {
    const find = (): Extract<EngineEvent, { kind: K }> | undefined =>
      this.events.find((event): event is Extract<EngineEvent, { kind: K }> => {
        // SAFETY: the kind was compared just before.
        return event.kind === kind && accept(event as Extract<EngineEvent, { kind: K }>);
      });
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const event = find();
        if (event === undefined) return;
        clearTimeout(timer);
        this.#listeners.delete(look);
        resolve(event);
      };
      const timer = setTimeout(() => {
        this.#listeners.delete(look);
        reject(new Error(`no ${kind} event within ${timeoutMs} ms; seen: ${this.events.map((e) => e.kind).join(" ")}`));
      }, timeoutMs);
      this.#listeners.add(look);
      look();
    });
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.disconnect();
    await ended;
  }

  #request(method: string, parameters: readonly unknown[]): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, method, arguments: parameters });
    });
  }

  #receive(message: Record<string, unknown>): void {
    if (Array.isArray(message["events"])) {
      this.events.push(...message["events"]);
      for (const listener of this.#listeners) listener();
      return;
    }
    // SAFETY: every message of engine-host.ts that is no batch of events answers a request.
    const id = message["id"] as number;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    const error = message["error"] as { reason: string; message: string } | undefined;
    if (error === undefined) waiting?.resolve(message["result"]);
    else waiting?.reject(Object.assign(new Error(error.message), { reason: error.reason }));
  }
}
