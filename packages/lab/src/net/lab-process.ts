import { type ChildProcess, spawn } from "node:child_process";
import { LabError } from "./lab-error.ts";

export interface ProcessExit {
  /** `null` when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Written to standard input, which is then closed. Without it standard input is empty unless `keepStdin`. */
  readonly input?: string;
  readonly keepStdin?: boolean;
}

const MAX_OUTPUT_CHARS = 4 << 20;

/** Programs that have not ended. */
const running = new Set<LabProcess>(); // bounded: by what the labs of this process start

/** Kills every program that this process has started, also one that has not reached its namespace yet. */
export function killLabProcesses(): void {
  for (const program of running) program.kill("SIGKILL");
}

/** A program started by the lab, in a process group of its own so that its children end with it. */
export class LabProcess {
  readonly argv: readonly string[];
  readonly pid: number;
  /** Settles when the program has ended and its output is complete. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  #child: ChildProcess;
  #stdout = ""; // bounded: MAX_OUTPUT_CHARS, oldest dropped
  #stderr = ""; // bounded: MAX_OUTPUT_CHARS, oldest dropped
  #exit: ProcessExit | undefined;
  #watchers = new Set<() => void>(); // bounded: one per pending waitForOutput

  private constructor(argv: readonly string[], child: ChildProcess, pid: number) {
    this.argv = argv;
    this.pid = pid;
    this.#child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => this.#collect("stdout", text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => this.#collect("stderr", text));
    running.add(this);
    child.once("exit", () => running.delete(this));
    this.exited = new Promise((resolve) => {
      child.on("close", (code, signal) => {
        this.#exit = { code, signal };
        this.#notify();
        resolve(this.#exit);
      });
    });
  }

  static start(argv: readonly string[], options: SpawnOptions = {}): LabProcess {
    const [file, ...args] = argv;
    if (file === undefined) throw new LabError("no program named");
    const child = spawn(file, args, {
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    // A program that ends early closes its input; the exit code tells the story.
    child.stdin?.on("error", () => undefined);
    if (child.pid === undefined) {
      child.on("error", () => undefined);
      throw new LabError(`cannot start ${argv.join(" ")}: is '${file}' installed?`);
    }
    if (options.input !== undefined) child.stdin?.end(options.input);
    else if (options.keepStdin !== true) child.stdin?.end();
    return new LabProcess(argv, child, child.pid);
  }

  get running(): boolean {
    return this.#exit === undefined;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Standard output as a stream, for programs that are talked with. */
  get stdoutStream(): NodeJS.ReadableStream {
    const stream = this.#child.stdout;
    if (stream === null) throw new LabError("standard output is not piped");
    return stream;
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Signals the whole process group; does nothing once the program has ended. */
  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    if (!this.running) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // ESRCH: the group ended between the check and the signal.
    }
  }

  /** SIGTERM, then SIGKILL after the grace time. */
  async stop(graceMs = 5_000): Promise<ProcessExit> {
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), graceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits until the output so far matches; throws with that output when the program ends or the time is up. */
  async waitForOutput(
    pattern: RegExp,
    options: { stream?: "stdout" | "stderr"; timeoutMs?: number } = {},
  ): Promise<RegExpExecArray> {
    const timeoutMs = options.timeoutMs ?? 10_000;
    const look = (): RegExpExecArray | null => pattern.exec(options.stream === "stderr" ? this.#stderr : this.#stdout);
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const match = look();
      if (match !== null) return match;
      const leftMs = deadline - performance.now();
      if (!this.running) throw new LabError(`${this.describe()} ended before printing ${String(pattern)}`);
      if (leftMs <= 0) throw new LabError(`${this.describe()} did not print ${String(pattern)} in ${timeoutMs} ms`);
      await this.#outputOrTimeout(leftMs);
    }
  }

  /** Command, state and the end of its output, for failure messages. */
  describe(): string {
    const state = this.#exit === undefined ? "running" : `exit ${this.#exit.code ?? this.#exit.signal}`;
    const tail = (text: string): string => text.slice(-4_000).trimEnd();
    return `\`${this.argv.join(" ")}\` (pid ${this.pid}, ${state})\n${tail(this.#stdout)}\n${tail(this.#stderr)}\n`;
  }

  async #outputOrTimeout(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, timeoutMs);
      const watchers = this.#watchers;
      function done(): void {
        clearTimeout(timer);
        watchers.delete(done);
        resolve();
      }
      watchers.add(done);
    });
  }

  #collect(stream: "stdout" | "stderr", text: string): void {
    if (stream === "stdout") this.#stdout = (this.#stdout + text).slice(-MAX_OUTPUT_CHARS);
    else this.#stderr = (this.#stderr + text).slice(-MAX_OUTPUT_CHARS);
    this.#notify();
  }

  #notify(): void {
    for (const watcher of this.#watchers) watcher();
  }
}

export interface ExecOptions extends SpawnOptions {
  readonly timeoutMs?: number;
  /** Return instead of throwing when the exit code isn't 0. */
  readonly allowFailure?: boolean;
}

export interface ExecResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

/** Waits for a started program; kills it and throws when the time is up. */
export async function finish(started: LabProcess, options: ExecOptions = {}): Promise<ExecResult> {
  const startedAt = performance.now();
  const timeoutMs = options.timeoutMs ?? 30_000;
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    started.kill("SIGKILL");
  }, timeoutMs);
  const exit = await started.exited;
  clearTimeout(timer);
  if (timedOut) throw new LabError(`${started.describe()} was killed after ${timeoutMs} ms`);
  if (exit.code !== 0 && options.allowFailure !== true) throw new LabError(`${started.describe()} failed`);
  return {
    code: exit.code,
    stdout: started.stdout,
    stderr: started.stderr,
    durationMs: performance.now() - startedAt,
  };
}

/** Runs a program of this machine (not inside a namespace) to its end. */
export function execute(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
  return finish(LabProcess.start(argv, options), options);
}
