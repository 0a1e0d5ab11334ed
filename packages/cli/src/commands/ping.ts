import { setTimeout as delay } from "node:timers/promises";
import type { AgentClient } from "@asterism/client/agent";
import type { PingAnswer } from "@asterism/core/local-api";
import { Command, InvalidArgumentError } from "commander";
import { type AgentOptions, connectAgent, jsonOption, socketOption } from "../agent-options.ts";
import { EXIT_DONE, EXIT_FAILED, formatMs, formatPath, printJson, printLine } from "../output.ts";

const DEFAULT_COUNT = 10;
const DEFAULT_ANSWER_TIMEOUT_MS = 5_000;
const DEFAULT_DIRECT_TIMEOUT_MS = 30_000;
const INTERVAL_MS = 1_000;
/** Between echoes while a direct path is awaited, so that the change is seen soon. */
const DIRECT_INTERVAL_MS = 200;

interface PingOptions extends AgentOptions {
  readonly count?: number;
  readonly untilDirect?: boolean;
  readonly timeout?: number;
}

export function createPingCommand(): Command {
  return new Command("ping")
    .description("send echoes through the tunnel to a peer and show the path of each answer")
    .argument("<peer>", "name, fully qualified name or overlay address")
    .option("-c, --count <n>", `stop after so many answers (default: ${DEFAULT_COUNT})`, parsePositiveInteger)
    .option("--until-direct", "go on until an answer comes by a direct path (with -c: after so many answers at most)")
    .option("--timeout <seconds>", "give up after so many seconds in all", parsePositiveNumber)
    .addOption(socketOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nExit code 0 if as many answers came as asked for (with --until-direct: one by a direct path), 1 otherwise.",
    )
    .action(async (peer: string, options: PingOptions) => {
      const run = new PingRun(connectAgent(options), peer, options);
      process.exitCode = (await run.run()) ? EXIT_DONE : EXIT_FAILED;
    });
}

/** One run of the command: echoes in turn until the goal or the deadline. Lost echoes are sent again until then. */
class PingRun {
  readonly #agent: AgentClient;
  readonly #peer: string;
  readonly #options: PingOptions;
  readonly #wantedAnswers: number;
  readonly #deadlineMs: number;
  readonly #replies: PingAnswer[] = [];
  readonly #startedMs = performance.now();
  /** From the start to the first answer by a direct path. */
  #directAfterMs: number | null = null;
  #sent = 0;

  constructor(agent: AgentClient, peer: string, options: PingOptions) {
    this.#agent = agent;
    this.#peer = peer;
    this.#options = options;
    const untilDirect = options.untilDirect === true;
    this.#wantedAnswers = options.count ?? (untilDirect ? Number.POSITIVE_INFINITY : DEFAULT_COUNT);
    this.#deadlineMs = performance.now() + this.#budgetMs(untilDirect);
  }

  #budgetMs(untilDirect: boolean): number {
    if (this.#options.timeout !== undefined) return this.#options.timeout * 1000;
    if (untilDirect) return DEFAULT_DIRECT_TIMEOUT_MS;
    return (this.#wantedAnswers - 1) * INTERVAL_MS + DEFAULT_ANSWER_TIMEOUT_MS;
  }

  async run(): Promise<boolean> {
    let reached = false;
    while (!reached && this.#replies.length < this.#wantedAnswers) {
      const remainingMs = this.#deadlineMs - performance.now();
      if (remainingMs <= 0) break;
      reached = await this.#once(remainingMs);
      if (!reached) await this.#pause();
    }
    this.#summarise(reached);
    return reached;
  }

  async #once(remainingMs: number): Promise<boolean> {
    const answer = await this.#agent.ping({
      peer: this.#peer,
      sequence: this.#sent++ % 65_536,
      timeoutMs: Math.max(1, Math.ceil(Math.min(remainingMs, DEFAULT_ANSWER_TIMEOUT_MS))),
    });
    if (answer.rttMs !== null) this.#replies.push(answer);
    const isDirect = answer.rttMs !== null && answer.path.kind === "direct";
    if (isDirect) this.#directAfterMs ??= Math.round(performance.now() - this.#startedMs);
    if (this.#options.json !== true) printLine(formatAnswer(answer));
    if (this.#options.untilDirect === true) return isDirect;
    return this.#replies.length >= this.#wantedAnswers;
  }

  async #pause(): Promise<void> {
    const intervalMs = this.#options.untilDirect === true ? DIRECT_INTERVAL_MS : INTERVAL_MS;
    await delay(Math.max(0, Math.min(intervalMs, this.#deadlineMs - performance.now())));
  }

  #summarise(reached: boolean): void {
    const received = this.#replies.length;
    const directAfterMs = this.#directAfterMs;
    const direct = directAfterMs !== null;
    if (this.#options.json === true) {
      const replies = this.#replies.map(({ sequence, rttMs, path }) => ({ sequence, rttMs, path }));
      printJson({ peer: this.#peer, sent: this.#sent, received, direct, directAfterMs, replies });
      return;
    }
    printLine(`${this.#sent} sent, ${received} received`);
    if (this.#options.untilDirect !== true) return;
    if (direct) printLine(`direct after ${formatMs(directAfterMs)}`);
    else if (!reached) printLine(`no answer came by a direct path; \`asterism explain ${this.#peer}\` says why`);
  }
}

function formatAnswer(answer: PingAnswer): string {
  const target = `${answer.peer} (${answer.address})`;
  if (answer.rttMs === null) {
    return `no answer from ${target}${answer.problem === null ? "" : `: ${answer.problem}`}`;
  }
  const way = formatPath({ ...answer.path, rttMs: null });
  return `answer from ${target} seq=${answer.sequence} time=${formatMs(answer.rttMs)} ${way}`;
}

function parsePositiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("a whole number from 1 is needed.");
  return value;
}

function parsePositiveNumber(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError("a number above 0 is needed (seconds).");
  return value;
}
