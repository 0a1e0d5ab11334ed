import { dirname } from "node:path";
import type { Host } from "../net/host.ts";
import { LabError } from "../net/lab-error.ts";
import { finish, type LabProcess } from "../net/lab-process.ts";
import { ASTERISM_COMMAND } from "../product/asterism-command.ts";

interface RunOptions {
  /** What of the output is shown; default all. */
  readonly show?: (output: string) => string;
  /** What happens elsewhere as soon as the command has printed this. */
  readonly once?: { readonly printed: RegExp; readonly act: () => Promise<void> };
}

export interface StoryOptions {
  /** Takes no longer than it must to show that it works. */
  readonly short: boolean;
}

const RUN_LIMIT_MS = 30_000;

/**
 * Shows a story on the terminal: each command as a person would type it on that machine, and what it prints.
 * The environment stands in for what differs from a real machine: all hosts of the lab share one file system.
 */
export class Stage {
  readonly #write: (text: string) => void;
  #step = 0;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  step(title: string): void {
    this.#write(`\n${++this.#step}. ${title}\n`);
  }

  say(text: string): void {
    this.#write(`   ${text}\n`);
  }

  /** Runs a command line to its end and shows what it prints; a failure ends the demo. */
  async run(host: Host, line: string, options: RunOptions = {}): Promise<string> {
    this.#prompt(host, line);
    const started = host.spawn(["sh", "-c", `exec ${line}`], { env: await environment(host) });
    const { once } = options;
    if (once !== undefined) {
      await started.waitForOutput(once.printed, { timeoutMs: RUN_LIMIT_MS });
      await once.act();
    }
    const { stdout } = await finish(started, { timeoutMs: RUN_LIMIT_MS });
    this.#show((options.show ?? ((output) => output))(stdout));
    return stdout.trim();
  }

  /** Runs a command line that is no part of the story. */
  async quietly(host: Host, line: string): Promise<string> {
    const { stdout } = await host.exec(["sh", "-c", `exec ${line}`], {
      env: await environment(host),
      timeoutMs: RUN_LIMIT_MS,
    });
    return stdout;
  }

  /** Starts a command line in the background and waits for the line that says it is ready. */
  async start(host: Host, line: string, ready: RegExp): Promise<LabProcess> {
    this.#prompt(host, `${line} &`);
    const started = host.spawn(["sh", "-c", `exec ${line}`], { env: await environment(host) });
    const match = await started.waitForOutput(ready, { timeoutMs: 20_000 });
    this.#show(match[0]);
    return started;
  }

  #prompt(host: Host, line: string): void {
    this.#write(`   ${host.name}# ${line}\n`);
  }

  #show(output: string): void {
    for (const line of output.trimEnd().split("\n")) this.#write(`      ${line}\n`);
  }
}

/** Fails the demo with a sentence of its own when what it shows isn't so. */
export function insist(condition: boolean, otherwise: string): void {
  if (!condition) throw new LabError(otherwise);
}

/** For programs that print more than the story needs. */
export function lastLines(count: number): (output: string) => string {
  return (output) => output.trimEnd().split("\n").slice(-count).join("\n");
}

async function environment(host: Host): Promise<Record<string, string>> {
  const folder = await host.folder("agent");
  return {
    PATH: `${dirname(ASTERISM_COMMAND)}:${process.env["PATH"] ?? ""}`,
    ASTERISM_SOCKET: `${folder}/agent.sock`,
    ASTERISM_STATE: `${folder}/state`,
  };
}
