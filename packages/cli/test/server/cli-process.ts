import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
/** As of bin/asterism: a start takes half the time. */
const COMPILE_CACHE = fileURLToPath(new URL("../../../../node_modules/.cache/asterism", import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliProcess {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** The first line on standard output; rejects if the process ends before. */
  readonly firstLine: Promise<string>;
}

/** Starts `asterism` with these arguments, as a process of its own. */
export function startCli(args: readonly string[], env: Readonly<Record<string, string>> = {}): CliProcess {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  const line = Promise.withResolvers<string>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
    const end = output.stdout.indexOf("\n");
    if (end >= 0) line.resolve(output.stdout.slice(0, end));
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  const finished = new Promise<Finished>((resolve) => {
    child.once("close", (code, signal) => {
      line.reject(new Error(`ended before it said anything: ${output.stderr}`));
      resolve({ code, signal, ...output });
    });
  });
  // Whoever waits for the end only must not be bothered by the missing line.
  line.promise.catch(() => undefined);
  return { child, finished, firstLine: line.promise };
}

export function runCli(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  return startCli(args, env).finished;
}

/** Starts a server without a relay on loopback and waits for its `ready` line. */
export async function startServerProcess(dataDir: string, port = 0): Promise<CliProcess & { readonly url: string }> {
  const listen = ["--listen", `127.0.0.1:${port}`, "--relay", "none"];
  const started = startCli(["server", "--data", dataDir, ...listen, "--log-level", "warn"]);
  const line = await started.firstLine;
  const url = /^ready: (https:\/\/127\.0\.0\.1:[0-9]+)$/.exec(line)?.[1];
  if (url === undefined) throw new Error(`not the line a server says: ${line}`);
  return { ...started, url };
}
