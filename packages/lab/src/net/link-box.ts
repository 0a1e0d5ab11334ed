import { createInterface, type Interface } from "node:readline";
import { LabError } from "./lab-error.ts";
import { LabProcess } from "./lab-process.ts";
import { nativeProgram } from "./native-program.ts";

/** Counters of one direction of a link box, in packets. */
export interface LinkBoxCounters {
  readonly received: number;
  readonly delivered: number;
  readonly lost: number;
  readonly overflowed: number;
  readonly reordered: number;
  readonly duplicated: number;
  readonly corrupted: number;
  readonly undeliverable: number;
}

/** A running user-space link between `a` and `b`, both written NAMESPACE:INTERFACE. */
export class LinkBox {
  readonly process: LabProcess;
  readonly #answers: Interface;
  #lastCommand: Promise<unknown> = Promise.resolve();

  private constructor(started: LabProcess, answers: Interface) {
    this.process = started;
    this.#answers = answers;
  }

  static async open(a: string, b: string, seed: number): Promise<LinkBox> {
    const program = await nativeProgram("linkbox");
    const started = LabProcess.start([program, "--a", a, "--b", b, "--seed", String(seed)], { keepStdin: true });
    await started.waitForOutput(/^ready$/m);
    return new LinkBox(started, createInterface({ input: started.stdoutStream }));
  }

  /** Sends one command and returns what follows `ok`. */
  command(line: string): Promise<string> {
    const answer = this.#lastCommand.then(() => this.#ask(line));
    // A failed command must not fail the ones queued behind it.
    this.#lastCommand = answer.catch(() => undefined);
    return answer;
  }

  async counters(): Promise<{ ab: LinkBoxCounters; ba: LinkBoxCounters }> {
    const match = /^ab (.*) ba (.*)$/.exec(await this.command("stats"));
    if (match?.[1] === undefined || match[2] === undefined) throw new LabError("link box: unreadable counters");
    return { ab: parseCounters(match[1]), ba: parseCounters(match[2]) };
  }

  async close(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.exited;
  }

  async #ask(line: string): Promise<string> {
    if (!this.process.running) throw new LabError(`link box ended: ${this.process.describe()}`);
    const reply = new Promise<string>((resolve, reject) => {
      this.#answers.once("line", resolve);
      void this.process.exited.then(() => reject(new LabError(`link box ended: ${this.process.describe()}`)));
    });
    this.process.write(`${line}\n`);
    const text = await reply;
    if (!text.startsWith("ok")) throw new LabError(`link box refused '${line}': ${text}`);
    return text.slice(3);
  }
}

function parseCounters(text: string): LinkBoxCounters {
  const pairs = text.split(" ").map((pair) => pair.split("="));
  // SAFETY: the program prints exactly these keys.
  return Object.fromEntries(pairs.map(([key, value]) => [key, Number(value)])) as unknown as LinkBoxCounters;
}
