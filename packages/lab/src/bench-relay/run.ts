import { Lab } from "../net/lab.ts";
import type { RelayMetric } from "./metrics.ts";
import { RelayLoad } from "./relay-load.ts";
import { RELAYS, type RelayName, RelayServer } from "./relay-server.ts";
import { type Cores, openStage, type Stage, setSegmentation } from "./stage.ts";

export interface Figure {
  /** In the metric's unit. */
  readonly value: number;
  /** Of the relay's process, kernel included. */
  readonly cpuNsPerPacket: number;
}

export type Pair = Readonly<Record<RelayName, Figure>>;

export interface RunOptions {
  readonly metrics: Readonly<Record<string, RelayMetric>>;
  readonly rounds: number;
  /** Of each measurement: one relay, one window. */
  readonly milliseconds: number;
  readonly clients: number;
  readonly cores: Cores;
  readonly tcp?: boolean;
  readonly log: (line: string) => void;
}

interface Contender extends AsyncDisposable {
  readonly server: RelayServer;
  readonly load: RelayLoad;
}

/** Metric to one pair of figures per round. */
export async function runRounds(options: RunOptions): Promise<Readonly<Record<string, readonly Pair[]>>> {
  await using lab = Lab.create("benchrelay");
  const stage = await openStage(lab);
  await using asterism = await openContender("asterism", stage, options);
  await using coturn = await openContender("coturn", stage, options);
  const contenders = { asterism, coturn };
  const pairs: Record<string, Pair[]> = {};
  for (let round = 0; round < options.rounds; round++) {
    const order = round % 2 === 0 ? RELAYS : RELAYS.toReversed();
    for (const [name, metric] of Object.entries(options.metrics)) {
      await setSegmentation(stage, metric.segmentation);
      const pair = await measurePair(metric, contenders, order, options.milliseconds);
      pairs[name] = [...(pairs[name] ?? []), pair];
      const ratio = (pair.asterism.value / pair.coturn.value).toFixed(2);
      const values = RELAYS.map((relay) => `${relay} ${Math.round(pair[relay].value)}`).join("  ");
      options.log(`round ${round + 1}/${options.rounds}  ${name.padEnd(16)} ${values} ${metric.unit}  ratio ${ratio}`);
    }
  }
  return pairs;
}

async function openContender(name: RelayName, stage: Stage, options: RunOptions): Promise<Contender> {
  const server = await RelayServer.start(name, stage, options.cores.relay);
  const load = await RelayLoad.open(stage, server, {
    clients: options.clients,
    cores: options.cores.load,
    ...(options.tcp === true ? { tcp: true } : { across: true }),
  });
  const close = async (): Promise<void> => {
    await Promise.all([load[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]);
  };
  return { server, load, [Symbol.asyncDispose]: close };
}

/** Each window with one relay right after the other; what counts is each one's best. */
async function measurePair(
  metric: RelayMetric,
  contenders: Readonly<Record<RelayName, Contender>>,
  order: readonly RelayName[],
  milliseconds: number,
): Promise<Pair> {
  const best: Record<RelayName, Figure> = { asterism: NOTHING, coturn: NOTHING };
  for (const window of metric.windows) {
    for (const name of order) {
      const figure = await measure(metric, contenders[name], window, milliseconds);
      if (figure.value > best[name].value) best[name] = figure;
    }
  }
  return best;
}

const NOTHING: Figure = { value: 0, cpuNsPerPacket: 0 };

async function measure(
  { traffic, unit }: RelayMetric,
  { server, load }: Contender,
  window: number,
  milliseconds: number,
): Promise<Figure> {
  const cpuBefore = server.cpuNs();
  const { packetsPerSecond, megabitsPerSecond, packets } = await load.run(traffic, window, milliseconds);
  return {
    value: unit === "Mbit/s" ? megabitsPerSecond : packetsPerSecond,
    cpuNsPerPacket: packets === 0 ? 0 : (server.cpuNs() - cpuBefore) / packets,
  };
}

export interface Memory {
  readonly beforeBytes: number;
  readonly afterBytes: number;
}

/** Resident size of a fresh relay, and with so many allocations that have a permission and a channel each. */
export async function measureMemory(name: RelayName, allocations: number, cores: Cores): Promise<Memory> {
  await using lab = Lab.create("benchrelay");
  const stage = await openStage(lab);
  await using server = await RelayServer.start(name, stage, cores.relay);
  const beforeBytes = server.residentBytes();
  await using _load = await RelayLoad.open(stage, server, { clients: allocations, cores: cores.load });
  return { beforeBytes, afterBytes: server.residentBytes() };
}
