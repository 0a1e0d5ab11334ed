/**
 * Compares the engine with a raw veth and with wireguard-go, round-robin in one run.
 *
 *   node packages/engine/test/bench/compare.ts [--rounds 2] [--seconds 3] [--only tcp1,udp64] [--contenders raw,chacha]
 *        [--segmentation off] [--wireguard-go PATH]…
 *
 * Only ratios within one run mean something.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { iperf } from "../iperf.ts";
import { inNamespace, NetnsPair } from "../netns-pair.ts";
import { type Contender, engine, type Joined, raw, wireguardGo } from "./contenders.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "2" },
    seconds: { type: "string", default: "3" },
    only: { type: "string", default: "" },
    contenders: { type: "string", default: "" },
    segmentation: { type: "string", default: "on" },
    "wireguard-go": { type: "string", multiple: true, default: ["/usr/bin/wireguard-go"] },
  },
});
const seconds = Number(flags.seconds);

const contenders = new Map<string, Contender>([
  ["raw", raw],
  ["chacha", engine({})],
  ["aes", engine({ aead: "aes-256-gcm" })],
  ["chacha-1", engine({ threads: 1 })],
  ["chacha-w1", engine({ workers: 1 })],
  ["chacha-w2", engine({ workers: 2 })],
]);
for (const path of flags["wireguard-go"]) contenders.set(path.split("/").at(-1) ?? path, wireguardGo(path));

type Scenario = (pair: NetnsPair, joined: Joined) => Promise<Readonly<Record<string, number>>>;

const scenarios = new Map<string, Scenario>([
  ["tcp1", tcp({})],
  ["tcp4", tcp({ parallel: 4 })],
  ["tcp1r", tcp({ reverse: true })],
  ["tcp6", tcp({}, true)],
  ["udp64", udp64],
  ["ping", ping],
]);

function tcp(options: { parallel?: number; reverse?: boolean }, v6 = false): Scenario {
  return async (pair, joined) => {
    const before = cpuSeconds(joined.processes);
    const result = await iperf(pair.a, pair.b, v6 ? joined.ipv6 : joined.ipv4, { seconds, ...options });
    const gigabits = (result.bitsPerSecond * seconds) / 1e9;
    const cpu = cpuSeconds(joined.processes) - before;
    return { gbps: result.bitsPerSecond / 1e9, cpuPerGbit: cpu / gigabits };
  };
}

async function udp64(pair: NetnsPair, joined: Joined): Promise<Readonly<Record<string, number>>> {
  const result = await iperf(pair.a, pair.b, joined.ipv4, { seconds, udpPayloadBytes: 64 });
  return { kpps: result.packetsPerSecond / 1e3 };
}

function ping(pair: NetnsPair, joined: Joined): Promise<Readonly<Record<string, number>>> {
  const output = inNamespace(pair.a.namespace, "ping", "-i", "0.003", "-c", "500", joined.ipv4);
  const times = [...output.matchAll(/time=([\d.]+)/g)].map((match) => Number(match[1]) * 1000).sort((x, y) => x - y);
  return Promise.resolve({
    p50: times[Math.floor(times.length * 0.5)] ?? 0,
    p99: times[Math.floor(times.length * 0.99)] ?? 0,
  });
}

/** User and system time of the processes, with their threads. */
function cpuSeconds(processes: readonly number[]): number {
  return processes.reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return sum + (Number(fields[11]) + Number(fields[12])) / 100;
  }, 0);
}

function chosen<T>(all: ReadonlyMap<string, T>, only: string): readonly (readonly [string, T])[] {
  return [...all].filter(([name]) => only === "" || only.split(",").includes(name));
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const results = new Map<string, number[]>();
function note(scenario: string, contender: string, figures: Readonly<Record<string, number>>): void {
  for (const [figure, value] of Object.entries(figures)) {
    const key = `${scenario} ${figure} ${contender}`;
    results.set(key, [...(results.get(key) ?? []), value]);
  }
  const text = Object.entries(figures).map(([figure, value]) => `${figure} ${value.toFixed(2)}`);
  print(`${scenario.padEnd(6)} ${contender.padEnd(16)} ${text.join("  ")}`);
}

const pair = new NetnsPair("bench");
try {
  if (flags.segmentation === "off") {
    for (const side of [pair.a, pair.b])
      inNamespace(side.namespace, "ethtool", "-K", "veth0", "tx-udp-segmentation", "off");
  }
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const [scenarioName, scenario] of chosen(scenarios, flags.only)) {
      for (const [name, contender] of chosen(contenders, flags.contenders)) {
        const joined = await contender(pair);
        try {
          inNamespace(pair.a.namespace, "ping", "-c", "2", "-i", "0.2", joined.ipv4);
          note(scenarioName, name, await scenario(pair, joined));
        } finally {
          await joined.close();
        }
      }
    }
  }
} finally {
  pair.remove();
}
print("\nmeans");
for (const [key, values] of results) {
  print(`${key.padEnd(34)} ${(values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(2)}`);
}
