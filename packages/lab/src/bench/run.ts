import { Lab } from "../net/lab.ts";
import type { Contender } from "./contender.ts";
import type { Round } from "./report.ts";
import type { Scenario, Tunnel, Underlay } from "./scenario.ts";

export interface RunOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly log: (line: string) => void;
}

/**
 * Measures every contender in every round. The order rotates, so that nobody always runs on the warmest machine.
 * A contender that fails fails the run: a table with silent holes would lie.
 */
export async function runRounds(
  contenders: readonly Contender[],
  scenarios: readonly Scenario[],
  options: RunOptions,
): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let number = 0; number < options.rounds; number++) {
    const round: Record<string, Record<string, number>> = {};
    const first = number % contenders.length;
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      const figures = await measureContender(contender, scenarios, options.seconds);
      round[contender.name] = figures;
      const text = Object.entries(figures).map(([metric, value]) => `${metric} ${value.toPrecision(3)}`);
      options.log(`round ${number + 1}/${options.rounds}  ${contender.name.padEnd(20)} ${text.join("  ")}`);
    }
    rounds.push(round);
  }
  return rounds;
}

async function measureContender(
  contender: Contender,
  scenarios: readonly Scenario[],
  seconds: number,
): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  for (const underlay of new Set(scenarios.map((scenario) => scenario.underlay))) {
    await using lab = Lab.create("bench");
    const tunnel = await contender.open(lab, underlay);
    await warmUp(tunnel, underlay);
    for (const scenario of scenarios.filter((one) => one.underlay === underlay)) {
      Object.assign(figures, await scenario.measure(tunnel, seconds));
    }
    await tunnel.close();
  }
  return figures;
}

/** Handshakes and address resolution are not what is measured. */
async function warmUp(tunnel: Tunnel, underlay: Underlay): Promise<void> {
  const { received } = await tunnel.a.ping(tunnel.addressB, { count: 20, intervalMs: 20, timeoutMs: 3_000 });
  if (received === 0) throw new Error(`nothing passes through the tunnel (${underlay.name})`);
}
