import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { addCounts, formatCounts } from "./counts.ts";
import { readDoctestReport } from "./doctest-report.ts";
import { readVitestReport } from "./vitest-report.ts";

const folder = mkdtempSync(join(tmpdir(), "asterism-report-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

describe("doctest's report", () => {
  test("gives the counts of test cases", () => {
    const file = write(
      "good.xml",
      `<?xml version="1.0" encoding="UTF-8"?>
<doctest binary="engine-test">
  <OverallResultsAsserts successes="120" failures="1"/>
  <OverallResultsTestCases successes="11" failures="1" skipped="2"/>
</doctest>`,
    );
    expect(readDoctestReport(file)).toEqual({ passed: 11, failed: 1, skipped: 2 });
  });

  test("is no report when the binary died before its end", () => {
    expect(readDoctestReport(write("cut.xml", '<doctest binary="engine-test">\n<TestCase name="x">'))).toBeUndefined();
    expect(readDoctestReport(join(folder, "absent.xml"))).toBeUndefined();
  });
});

describe("vitest's report", () => {
  const report = (fields: object): string =>
    JSON.stringify({
      numPassedTests: 7,
      numFailedTests: 0,
      numPendingTests: 1,
      numTodoTests: 1,
      success: true,
      testResults: [],
      ...fields,
    });

  test("gives the counts of tests", () => {
    expect(readVitestReport(write("good.json", report({})))?.counts).toEqual({ passed: 7, failed: 0, skipped: 2 });
  });

  test("counts a file that could not be loaded as a failure", () => {
    const file = write("broken.json", report({ success: false }));
    expect(readVitestReport(file)?.counts).toEqual({ passed: 7, failed: 1, skipped: 2 });
  });

  test("names what failed, and why in a line", () => {
    const failed = { status: "failed", fullName: "suite two", failureMessages: ["expected 1 to be 2\n    at x.ts"] };
    const passed = { status: "passed", fullName: "suite one", failureMessages: [] };
    const testResults = [
      { name: "a.test.ts", message: "", assertionResults: [passed, failed] },
      { name: "b.test.ts", message: "Cannot find module 'c'\nat b", assertionResults: [] },
      { name: "d.test.ts", message: "", assertionResults: [passed] },
    ];
    const file = write("failures.json", report({ success: false, numFailedTests: 1, testResults }));
    expect(readVitestReport(file)?.failures).toEqual([
      "a.test.ts: suite two: expected 1 to be 2",
      "b.test.ts: Cannot find module 'c'",
    ]);
  });

  test("is undefined when nothing was written", () => {
    expect(readVitestReport(join(folder, "absent.json"))).toBeUndefined();
  });
});

test("the closing line has the form that CI reads", () => {
  const total = addCounts({ passed: 1, failed: 2, skipped: 3 }, { passed: 10, failed: 20, skipped: 30 });
  expect(formatCounts(total)).toBe("11 passed, 22 failed, 33 skipped");
});
