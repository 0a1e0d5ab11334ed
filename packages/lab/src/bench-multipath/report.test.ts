import { expect, test } from "vitest";
import { buildRow, formatTable } from "./report.ts";

const SCENARIO = { name: "equal", links: [{ rateMbit: 20 }, { rateMbit: 20 }], goal: 0.95 };
const MEASURED = { aloneMbit: [18.26, 18.14], aggregateMbit: 36, fourFlowsMbit: 36.5 };

test("a row has the fractions of the sum and of the raw rates", () => {
  expect(buildRow(SCENARIO, MEASURED)).toEqual({
    scenario: "equal",
    fractionOfSum: 0.989,
    goal: 0.95,
    aggregateMbit: 36,
    aloneMbit: [18.3, 18.1],
    bestMbit: 18.3,
    fractionOfRaw: 0.9,
    fourFlowsMbit: 36.5,
  });
});

test("the table is Markdown, with the other figures below it", () => {
  const table = formatTable([buildRow(SCENARIO, MEASURED)], {
    pingIdleMs: 10.4,
    pingBesideBulkMs: 20,
    cutStallMs: 130,
    unlimitedBestMbit: 3000,
    unlimitedAggregateMbit: 3100,
  });
  const lines = table.split("\n");
  expect(lines[1]).toBe("| --- | --- | --- | --- | --- | --- | --- |");
  expect(lines[2]).toBe("| equal | 18.3 + 18.1 | 36 | 0.99 | ≥ 0.95 | 0.90 | 36.5 |");
  expect(lines[4]).toContain("20.0 ms, idle 10.4 ms (goal ≤ 25.6 ms)");
  expect(lines).toHaveLength(7);
});
