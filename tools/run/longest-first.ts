import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Files that take long although they are short, the longest first. A runner that has measured nothing yet goes by size,
 * and at the end one core would wait for the other.
 */
const LONG_FILES = [
  "packages/lab/test/nat/port-mapping.netns.test.ts",
  "packages/lab/src/chaos/virtual/run.test.ts",
  "packages/cli/test/server/process.test.ts",
  "packages/lab/test/virtual/relay-life.test.ts",
  "packages/cli/test/server/return-of-many.test.ts",
  "packages/lab/test/virtual/server-outage.test.ts",
];

/** Lets long files run first, in this order, then the others as Vitest would. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const long = LONG_FILES.flatMap((end) => sorted.filter(({ moduleId }) => moduleId.endsWith(end)));
    return [...long, ...sorted.filter((file) => !long.includes(file))];
  }
}
