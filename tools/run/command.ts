import { spawn } from "node:child_process";
import { resolve } from "node:path";

/** Root of the checkout. */
export const ROOT = resolve(import.meta.dirname, "../..");

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Relative to the root. */
  readonly cwd?: string;
}

export interface CommandResult {
  readonly ok: boolean;
  /** `exit code 1`, `killed by SIGKILL`, `can't be started: …`; empty if it succeeded. */
  readonly failure: string;
  /** Standard output and error in the order of arrival. */
  readonly output: string;
  readonly seconds: number;
}

/** Shows text to whoever watches. */
export type Print = (text: string | Buffer) => void;

export const printNow: Print = (text) => void process.stdout.write(text);

export interface RunOptions {
  /** Shows the output as it comes; without it the output is only kept. */
  readonly echo?: Print;
  /** Takes the processors only while nobody else wants them. */
  readonly isBackground?: boolean;
}

const PIPE_PATIENCE_MS = 2_000;
const LOWEST_PRIORITY = ["nice", "-n", "19"];

/** Runs a program without a shell and without standard input. */
export function runCommand(command: Command, { echo, isBackground = false }: RunOptions = {}): Promise<CommandResult> {
  const startedAt = performance.now();
  const [program = "", ...args] = [...(isBackground ? LOWEST_PRIORITY : []), command.program, ...command.args];
  return new Promise((done) => {
    const child = spawn(program, args, {
      cwd: resolve(ROOT, command.cwd ?? "."),
      env: { ...process.env, ...command.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const chunks: Buffer[] = [];
    const collect = (chunk: Buffer): void => {
      chunks.push(chunk);
      echo?.(chunk);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const finish = (failure: string): void => {
      const output = Buffer.concat(chunks).toString("utf8");
      done({ ok: failure === "", failure, output, seconds: (performance.now() - startedAt) / 1000 });
    };
    child.once("error", (error) => finish(`can't be started: ${error.message}`));
    child.once("exit", (code, signal) => {
      const failure = describeEnd(code, signal);
      // A process that the program left behind may hold the pipes open: its output is not waited for.
      const patience = setTimeout(() => finish(failure), PIPE_PATIENCE_MS);
      child.once("close", () => {
        clearTimeout(patience);
        finish(failure);
      });
    });
  });
}

function describeEnd(code: number | null, signal: NodeJS.Signals | null): string {
  if (code === 0) return "";
  return signal === null ? `exit code ${code}` : `killed by ${signal}`;
}

/** The program of a development dependency. */
export function tool(name: string): string {
  return resolve(ROOT, "node_modules/.bin", name);
}

/** Whether a program of this name is on PATH. */
export async function hasProgram(name: string): Promise<boolean> {
  return (await runCommand({ program: "sh", args: ["-c", 'command -v "$1"', "sh", name] })).ok;
}
