import { measureTcp } from "../../net/iperf.ts";
import { usageOf } from "../process-usage.ts";
import { CHACHA, PLAIN, type Scenario, type Setting, WITHOUT_UDP_SEGMENTATION } from "../scenario.ts";

interface TcpScenario {
  readonly metric: string;
  readonly flows?: number;
  readonly reverse?: boolean;
  readonly ipv6?: boolean;
  readonly setting?: Setting;
  readonly extended?: boolean;
  /** Adds `<metric>CpuPerGbit` of both ends. */
  readonly cpu?: boolean;
}

const GBIT_PER_SECOND = { unit: "Gbit/s", better: "higher" } as const;

function tcpScenario(options: TcpScenario): Scenario {
  const { metric } = options;
  const cpuMetric = `${metric}CpuPerGbit`;
  return {
    metrics: {
      [metric]: GBIT_PER_SECOND,
      ...(options.cpu === true ? { [cpuMetric]: { unit: "CPU s/Gbit", better: "lower" } } : {}),
    },
    setting: options.setting ?? PLAIN,
    extended: options.extended ?? false,
    async measure(tunnel, seconds) {
      const address = options.ipv6 === true ? tunnel.ipv6B : tunnel.addressB;
      if (address === undefined) return {};
      const before = usageOf(tunnel.processGroups).cpuSeconds;
      const { bitsPerSecond } = await measureTcp(tunnel.b, tunnel.a, {
        address,
        seconds,
        flows: options.flows ?? 1,
        reverse: options.reverse ?? false,
      });
      const cpuSeconds = usageOf(tunnel.processGroups).cpuSeconds - before;
      const gbit = bitsPerSecond / 1e9;
      const figures: Record<string, number> = { [metric]: gbit };
      if (options.cpu === true && tunnel.processGroups.length > 0) figures[cpuMetric] = cpuSeconds / (gbit * seconds);
      return figures;
    },
  };
}

export const TCP_SCENARIOS: readonly Scenario[] = [
  tcpScenario({ metric: "tcp1", cpu: true }),
  tcpScenario({ metric: "tcp4", flows: 4 }),
  tcpScenario({ metric: "tcp1Reverse", reverse: true }),
  tcpScenario({ metric: "tcp1ChaCha", setting: CHACHA, cpu: true }),
  tcpScenario({ metric: "tcp1Ipv6", ipv6: true, extended: true }),
  tcpScenario({ metric: "tcp1Unsegmented", setting: WITHOUT_UDP_SEGMENTATION, extended: true }),
];
