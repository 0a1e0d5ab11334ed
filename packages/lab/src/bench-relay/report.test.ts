import { describe, expect, test } from "vitest";
import { METRICS } from "./metrics.ts";
import { buildRelayReport, formatRelayTable } from "./report.ts";
import type { Pair } from "./run.ts";
import { divideCores, parseCoreList } from "./stage.ts";

const MACHINE = {
  cpu: "Abacus",
  cores: 2,
  memoryGiB: 4,
  kernel: "6.1",
  distribution: "Debian",
  node: "v24",
  openssl: "3.5",
  instructions: ["aes"],
};

function pair(asterism: number, coturn: number): Pair {
  return {
    asterism: { value: asterism, cpuNsPerPacket: 1_120 },
    coturn: { value: coturn, cpuNsPerPacket: 11_200 },
  };
}

const REPORT = buildRelayReport(
  {
    versions: { asterism: "0.1.0", coturn: "4.6.1" },
    settings: { rounds: 3, milliseconds: 200, clients: 8 },
    metrics: { throughput: METRICS.throughput, packets: METRICS.packets },
    pairs: {
      throughput: [pair(4_000, 1_000), pair(3_000, 1_500), pair(9_000, 1_000)],
      packets: [pair(300_000, 100_000), pair(100_000, 100_000), pair(500_000, 100_000)],
    },
    allocations: 1_000,
    memory: {
      asterism: { beforeBytes: 75_000_000, afterBytes: 91_940_000 },
      coturn: { beforeBytes: 15_000_000, afterBytes: 31_000_000 },
    },
  },
  MACHINE,
);

describe("relay bench report", () => {
  test("ratios are taken within a round, then the median of them", () => {
    expect(REPORT.throughput).toEqual({ asterismMbps: 4_000, coturnMbps: 1_000, ratio: 4, least: 2, most: 9 });
    expect(REPORT.packets).toEqual({ asterismPps: 300_000, coturnPps: 100_000, ratio: 3, least: 1, most: 5 });
  });

  test("memory is in megabytes, CPU time in seconds per gigabit of payload", () => {
    expect(REPORT.memory).toMatchObject({ allocations: 1_000, rssMb: 91.9, emptyMb: 75, coturnRssMb: 31 });
    expect(REPORT.cpuSecondsPerGbit).toEqual({ asterism: 0.1, coturn: 1 });
  });

  test("the table has a row per metric and says who was compared", () => {
    const table = formatRelayTable(REPORT);
    expect(table).toContain("| 300000 (100000–500000) | 100000 | 3.00 (1.00–5.00) | 1120, 11200 |");
    expect(table).toContain("asterism 0.1.0, coturn 4.6.1");
  });

  test("load and relay have cores of their own where there are two", () => {
    expect(divideCores([3])).toEqual({ load: [3], relay: [3] });
    expect(divideCores([0, 1])).toEqual({ load: [0], relay: [1] });
    expect(divideCores(parseCoreList("1-2,4,6-7"))).toEqual({ load: [1, 2], relay: [4, 6, 7] });
  });
});
