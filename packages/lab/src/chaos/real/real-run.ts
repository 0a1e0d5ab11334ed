/** One chaos run in namespaces: real agents, server and relay, faults by seed; the times are those of the machine. */
import { setTimeout as sleep } from "node:timers/promises";
import { wayBetween } from "../oracle.ts";
import type { ChaosResult } from "../report.ts";
import type { Violation } from "../violation.ts";
import { Pulse } from "./pulse.ts";
import { RealFaults } from "./real-faults.ts";
import { planRealChaos, type RealFault } from "./real-schedule.ts";
import { type RealMember, RealStage } from "./real-stage.ts";
import { TcpFlow } from "./tcp-flow.ts";

export interface RealChaosOptions {
  readonly seed: number;
  readonly minutes: number;
  readonly agents: number;
  readonly log?: (line: string) => void;
}

const RECOVERY_LIMIT_MS = 10_000;
/** In the quiet, after the pairs were looked at: what came back must stay. */
const CALM_MS = 3_000;
/** TCP sends again at twice the distance each time. */
const FLOW_LIMIT_MS = 20_000;
const SETTLE_LIMIT_MS = 60_000;
const POLL_MS = 50;

export async function runRealChaos(options: RealChaosOptions): Promise<ChaosResult> {
  await using stage = await RealStage.create(options.agents);
  const run = new RealRun(stage, options);
  try {
    return await run.run();
  } finally {
    run.stop();
  }
}

class RealRun {
  readonly #stage: RealStage;
  readonly #options: RealChaosOptions;
  readonly #faults: RealFaults;
  readonly #pulses: readonly Pulse[];
  readonly #flow: TcpFlow;
  readonly #startedAt = performance.now();
  readonly #story: string[] = []; // bounded: by the length of the run
  readonly #violations: Violation[] = []; // bounded: pairs and phases
  #faultCount = 0;
  #checks = 0;
  #worstRecoveryMs = 0;

  constructor(stage: RealStage, options: RealChaosOptions) {
    this.#stage = stage;
    this.#options = options;
    this.#faults = new RealFaults(stage);
    this.#pulses = pairsOf(stage.members).map(([from, to]) => new Pulse(from, to));
    const [first, last] = [stage.members[0], stage.members.at(-1)];
    if (first === undefined || last === undefined) throw new RangeError("no members");
    this.#flow = new TcpFlow(last, first);
  }

  async run(): Promise<ChaosResult> {
    const { seed, minutes, agents } = this.#options;
    await this.#check("at the beginning", SETTLE_LIMIT_MS);
    this.#worstRecoveryMs = 0;
    const phases = planRealChaos(seed);
    const endAt = performance.now() + minutes * 60_000;
    while (performance.now() < endAt) {
      await this.#storm(phases.next().value ?? []);
      this.#note("quiet");
      await this.#check("after the last fault", RECOVERY_LIMIT_MS);
      await this.#checkFlow();
      await sleep(CALM_MS);
      this.#checkCalm();
    }
    return {
      seed,
      minutes,
      agents,
      faults: this.#faultCount,
      checks: this.#checks,
      violations: this.#violations,
      worstRecoveryMs: this.#worstRecoveryMs,
      pings: this.#pulses.reduce((sum, { pings }) => sum + pings, 0),
      answers: this.#pulses.reduce((sum, { answers }) => sum + answers, 0),
      story: this.#story,
    };
  }

  stop(): void {
    for (const pulse of this.#pulses) pulse.stop();
  }

  async #storm(faults: readonly RealFault[]): Promise<void> {
    await Promise.all(
      faults.map(async (fault) => {
        await sleep(fault.beginMs);
        if (await this.#faults.run(fault, (text) => this.#note(text))) this.#faultCount += 1;
      }),
    );
  }

  /** Waits until every pair has an answer. */
  async #check(when: string, limitMs: number): Promise<void> {
    const from = performance.now();
    const watched = this.#pulses.filter((pulse) => this.#canConnect(pulse));
    for (const pulse of watched) pulse.mark(from);
    const isOpen = (pulse: Pulse): boolean => pulse.firstAnswerSince === undefined;
    while (watched.some(isOpen) && performance.now() - from < limitMs) await sleep(POLL_MS);
    for (const pulse of watched) {
      this.#checks += 1;
      const recoveryMs = (pulse.firstAnswerSince ?? Number.NaN) - from;
      if (recoveryMs >= 0) this.#worstRecoveryMs = Math.max(this.#worstRecoveryMs, recoveryMs);
      else await this.#fail(pulse, `no answer within ${limitMs / 1_000} s ${when}`);
    }
  }

  #canConnect({ from, to }: Pulse): boolean {
    return wayBetween(this.#stage.factsOf(from), this.#stage.factsOf(to), false) !== "none";
  }

  #checkCalm(): void {
    const now = performance.now();
    for (const pulse of this.#pulses) {
      this.#checks += 1;
      if (now - pulse.lastAnswerAt > CALM_MS) this.#violate(`${pulse.name}: it has fallen silent in the quiet`, "");
    }
  }

  async #checkFlow(): Promise<void> {
    const before = this.#flow.echoes;
    const from = performance.now();
    while (this.#flow.echoes === before && performance.now() - from < FLOW_LIMIT_MS) await sleep(POLL_MS);
    this.#checks += 1;
    if (this.#flow.echoes === before) this.#violate("the flow of TCP inside does not go on", this.#flow.describe());
  }

  async #fail(pulse: Pulse, what: string): Promise<void> {
    const ends = [
      [pulse.from, pulse.to],
      [pulse.to, pulse.from],
    ] as const;
    const explained = await Promise.all(ends.map(([own, other]) => explain(own, other)));
    this.#violate(`${pulse.name}: ${what}`, explained.join("\n"));
  }

  #violate(what: string, details: string): void {
    this.#violations.push({ atMs: performance.now() - this.#startedAt, what, details });
    this.#note(`VIOLATION ${what}`);
  }

  #note(text: string): void {
    const line = `${((performance.now() - this.#startedAt) / 1_000).toFixed(1).padStart(7)} s  ${text}`;
    this.#story.push(line);
    this.#options.log?.(line);
  }
}

/** A ring, and its longest chords. */
function pairsOf(members: readonly RealMember[]): (readonly [RealMember, RealMember])[] {
  const half = Math.floor(members.length / 2);
  const at = (index: number): RealMember | undefined => members[index % members.length];
  return members
    .flatMap((member, index) => [
      [member, at(index + 1)] as const,
      ...(index < half ? [[member, at(index + half)] as const] : []),
    ])
    .flatMap(([from, to]) => (to === undefined || to === from ? [] : [[from, to] as const]));
}

async function explain(own: RealMember, other: RealMember): Promise<string> {
  const { stdout, stderr } = await own.agent.command(["explain", other.name], {
    allowFailure: true,
    timeoutMs: 10_000,
  });
  return `${own.name} (${own.place}):\n${stdout}${stderr}`;
}
