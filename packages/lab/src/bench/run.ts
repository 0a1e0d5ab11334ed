import { Lab } from "../net/lab.ts";
import type { Contender } from "./contender.ts";
import type { Figures, Round } from "./report.ts";
import type { Scenario, Setting, Tunnel } from "./scenario.ts";

export interface RunOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly log: (line: string) => void;
}

export interface Measured {
  readonly rounds: readonly Round[];
  /** What the contenders told of themselves, by name. */
  readonly notes: Readonly<Record<string, string>>;
}

/**
 * Measures every contender in every round. The order rotates, so that nobody always runs on the warmest machine.
 * A contender that fails fails the run: a table with silent holes would lie.
 */
export async function runRounds(
  contenders: readonly Contender[],
  scenarios: readonly Scenario[],
  options: RunOptions,
): Promise<Measured> {
  const rounds: Round[] = [];
  const notes: Record<string, string> = {};
  for (let number = 0; number < options.rounds; number++) {
    const round: Record<string, Record<string, number>> = {};
    const first = number % contenders.length;
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      const { figures, note } = await measureContender(contender, scenarios, options.seconds);
      round[contender.name] = figures;
      if (note !== undefined) notes[contender.name] = note;
      const text = Object.entries(figures).map(([metric, value]) => `${metric} ${value.toPrecision(3)}`);
      options.log(`round ${number + 1}/${options.rounds}  ${contender.name.padEnd(20)} ${text.join("  ")}`);
    }
    rounds.push(round);
  }
  return { rounds, notes };
}

async function measureContender(
  contender: Contender,
  scenarios: readonly Scenario[],
  seconds: number,
): Promise<{ figures: Figures; note: string | undefined }> {
  const figures: Record<string, number> = {};
  let note: string | undefined;
  for (const setting of new Set(scenarios.map((scenario) => scenario.setting))) {
    await using lab = Lab.create("bench");
    const tunnel = await contender.open(lab, setting);
    await warmUp(tunnel, setting);
    for (const scenario of scenarios.filter((one) => one.setting === setting)) {
      Object.assign(figures, await scenario.measure(tunnel, seconds));
    }
    // The plain setting is the first one: what it tells is what the table's main rows were measured with.
    note ??= tunnel.note;
    await tunnel.close();
  }
  return { figures, note };
}

/** Handshakes and address resolution are not what is measured. */
async function warmUp(tunnel: Tunnel, setting: Setting): Promise<void> {
  const { received } = await tunnel.a.ping(tunnel.addressB, { count: 20, intervalMs: 20, timeoutMs: 3_000 });
  if (received === 0) throw new Error(`nothing passes through the tunnel (${setting.name})`);
}
