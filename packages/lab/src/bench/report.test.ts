import { describe, expect, test } from "vitest";
import type { Machine } from "./machine.ts";
import { buildReport, formatTable } from "./report.ts";
import { PLAIN, type Scenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios/list.ts";

const MACHINE: Machine = {
  cpu: "Abacus",
  cores: 2,
  memoryGiB: 4,
  kernel: "6.1",
  distribution: "Debian",
  node: "v24",
  openssl: "3.5",
  instructions: ["aes"],
};

const SCENARIO: Scenario = {
  metrics: { tcp1: { unit: "Gbit/s", better: "higher" }, pingP50: { unit: "µs", better: "lower" } },
  setting: PLAIN,
  measure: () => Promise.resolve({}),
};

const FRAME = {
  machine: MACHINE,
  settings: { rounds: 3, seconds: 1 },
  contenders: {
    asterism: { version: "0.1.0" },
    raw: { version: "veth" },
    "wireguard-go-newest": { leftOut: "no network" },
  },
};

describe("bench report", () => {
  test("ratios are taken within a round, then the median of them", () => {
    const rounds = [
      { asterism: { tcp1: 4, pingP50: 100 }, raw: { tcp1: 8, pingP50: 10 } },
      { asterism: { tcp1: 9, pingP50: 100 }, raw: { tcp1: 9, pingP50: 10 } },
      { asterism: { tcp1: 1, pingP50: 100 }, raw: { tcp1: 10, pingP50: 20 } },
    ];
    const report = buildReport(FRAME, [SCENARIO], rounds);
    expect(report.ratios).toEqual({ tcp1: { raw: 0.5 }, pingP50: { raw: 10 } });
    expect(report.ratioSpreads["tcp1"]?.["raw"]).toEqual({ median: 0.5, min: 0.1, max: 1 });
    expect(report.figures["tcp1"]?.["asterism"]).toEqual({ median: 4, min: 1, max: 9 });
    expect(report.figures["tcp1"]).not.toHaveProperty("wireguard-go-newest");
  });

  test("a figure that one side lacks gives no ratio", () => {
    const report = buildReport(FRAME, [SCENARIO], [{ asterism: { tcp1: 4 }, raw: { pingP50: 10 } }]);
    expect(report.ratios).toEqual({});
  });

  test("the table names what was left out and why", () => {
    const table = formatTable(buildReport(FRAME, [SCENARIO], [{ asterism: { tcp1: 4 }, raw: { tcp1: 8 } }]));
    expect(table).toContain("| tcp1 (Gbit/s) | higher | 4.00 | 8.00 | 0.500 |");
    expect(table).toContain("wireguard-go-newest: left out: no network");
  });

  test("every metric has one scenario", () => {
    const names = SCENARIOS.flatMap(({ metrics }) => Object.keys(metrics));
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(["tcp1", "tcp4", "tcp1Reverse", "udp64", "pingP50", "pingP99"]));
  });
});
