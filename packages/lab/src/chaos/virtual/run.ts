/** One chaos run in virtual time: the same seed gives the same faults, the same packets and the same result. */
import { SeededRandom } from "../../virtual-internet/seeded-random.ts";
import type { ChaosResult } from "../report.ts";
import { Checks } from "./checks.ts";
import { Conversations } from "./conversations.ts";
import { type Effect, Faults } from "./faults.ts";
import { ALL_KINDS, type FaultKind, type Phase, type PlannedFault, planChaos } from "./schedule.ts";
import { Stage } from "./stage.ts";

export interface VirtualChaosOptions {
  readonly seed: number;
  readonly minutes: number;
  readonly agents: number;
  /** Kinds of faults to choose from; all by default. */
  readonly kinds?: readonly FaultKind[];
  /** Told what happens. */
  readonly log?: (line: string) => void;
}

export interface VirtualChaosResult extends ChaosResult {
  /** That reached a device or were dropped. */
  readonly packets: number;
  readonly maxPacketsPerSecond: number;
}

/** Pairs that talk at the same time, on average one for each member. */
const TALK_MS = { min: 10_000, max: 180_000 } as const;
const TALK_GAP_MS = 1_000;
/** Pairs that begin to talk as the quiet begins. */
const FRESH_TALKS = 4;

export function runVirtualChaos(options: VirtualChaosOptions): VirtualChaosResult {
  return new ChaosRun(options).run();
}

class ChaosRun {
  readonly #options: VirtualChaosOptions;
  readonly #stage: Stage;
  readonly #conversations: Conversations;
  readonly #faults: Faults;
  readonly #checks: Checks;
  readonly #random: SeededRandom;
  readonly #story: string[] = []; // bounded: by the schedule
  #faultCount = 0;

  constructor(options: VirtualChaosOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed + 2);
    this.#conversations = new Conversations(() => this.#stage, this.#random.fork());
    this.#stage = new Stage(options.seed, options.agents, (to, from, payload) =>
      this.#conversations.handleDelivered(to, from, payload),
    );
    this.#faults = new Faults(this.#stage);
    this.#checks = new Checks(this.#stage, this.#conversations);
  }

  run(): VirtualChaosResult {
    const { seed, minutes, agents, kinds = ALL_KINDS } = this.#options;
    const durationMs = minutes * 60_000;
    const phases = planChaos({ seed, durationMs, kinds });
    for (const phase of phases) this.#plan(phase);
    this.#talkOn();
    this.#saveOn();
    this.#checks.watch();
    try {
      this.#stage.world.run(durationMs);
    } catch (error) {
      this.#checks.fail("an exception", error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    const { worstRecoveryMs, checks, violations, maxPacketsPerSecond } = this.#checks;
    return {
      seed,
      minutes,
      agents,
      faults: this.#faultCount,
      checks,
      violations,
      worstRecoveryMs,
      pings: this.#conversations.pings,
      answers: this.#conversations.answers,
      packets: this.#stage.world.log.total,
      maxPacketsPerSecond,
      story: this.#story,
    };
  }

  #plan(phase: Phase): void {
    const { world } = this.#stage;
    for (const fault of phase.faults) world.at(fault.beginMs, () => this.#begin(fault));
    // After the ends of the faults, which are planned as they begin.
    world.at(phase.quietFromMs, () => {
      world.after(1, () => {
        this.#note("quiet");
        for (let count = 0; count < FRESH_TALKS; count++) this.#conversations.startAny(this.#talkMs());
        this.#checks.handleQuiet(world.nowMs, phase.quietUntilMs);
      });
    });
  }

  #begin(fault: PlannedFault): void {
    this.#faultCount += 1;
    const effect = this.#faults.begin(fault);
    const lengthMs = fault.endMs - fault.beginMs;
    this.#note(`${effect.text}${lengthMs > 0 ? ` for ${(lengthMs / 1_000).toFixed(1)} s` : ""}`);
    this.#checks.handleDisturbance(effect.concerns);
    if (lengthMs > 0) this.#stage.world.after(lengthMs, () => this.#end(effect));
    else effect.end();
  }

  #end(effect: Effect): void {
    effect.end();
    this.#note(`over: ${effect.text}`);
    this.#checks.handleDisturbance(effect.concerns);
  }

  #talkOn(): void {
    const { world } = this.#stage;
    if (this.#conversations.size < this.#stage.members.length) this.#conversations.startAny(this.#talkMs());
    world.after(TALK_GAP_MS, () => this.#talkOn());
  }

  #talkMs(): number {
    return this.#random.between(TALK_MS.min, TALK_MS.max);
  }

  /** Agents write down what they know from time to time. */
  #saveOn(): void {
    for (const member of this.#stage.members) member.save();
    this.#stage.world.after(this.#stage.members[0]?.saveIntervalMs ?? 1_000, () => this.#saveOn());
  }

  #note(text: string): void {
    const line = `${(this.#stage.world.nowMs / 1_000).toFixed(1).padStart(7)} s  ${text}`;
    this.#story.push(line);
    this.#options.log?.(line);
  }
}
