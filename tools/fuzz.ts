/** `npm run fuzz -- --seconds 600`: every native fuzzer for that long (60 s by default), on the committed corpora. */
import { parseArgs } from "node:util";
import { runFuzzers } from "./run/native-groups.ts";

const { values } = parseArgs({ options: { seconds: { type: "string", default: "60" } } });
const seconds = Number(values.seconds);
if (!Number.isInteger(seconds) || seconds < 1) {
  console.error(`--seconds must be a whole number of at least 1, not ${values.seconds}`);
  process.exit(2);
}
const outcome = await runFuzzers(seconds);
console.log(outcome.kind === "passed" ? "nothing found" : outcome.reason);
process.exitCode = outcome.kind === "passed" ? 0 : 1;
