/**
 * `npm run fuzz -- --seconds 600`: every native fuzzer for that long (60 s by default), on the committed corpora, then
 * every target of the TypeScript codecs (packages/lab/test/fuzz), with a seed of this run.
 */
import { parseArgs } from "node:util";
import { printNow, runCommand, tool } from "./run/command.ts";
import { runFuzzers } from "./run/native-groups.ts";

const CODEC_TARGETS = ["run", "--project", "unit", "packages/lab/test/fuzz"];

const { values } = parseArgs({ options: { seconds: { type: "string", default: "60" }, seed: { type: "string" } } });
const seconds = Number(values.seconds);
if (!Number.isInteger(seconds) || seconds < 1) {
  console.error(`--seconds must be a whole number of at least 1, not ${values.seconds}`);
  process.exit(2);
}
const native = await runFuzzers(seconds);
const env = { ASTERISM_FUZZ_SECONDS: String(seconds), ASTERISM_FUZZ_SEED: values.seed ?? String(Date.now() % 2 ** 32) };
const codecs = await runCommand({ program: tool("vitest"), args: CODEC_TARGETS, env }, { echo: printNow });
if (native.kind !== "passed") console.log(native.reason);
if (!codecs.ok) console.log("a codec failed; --seed with the seed above repeats it");
if (native.kind === "passed" && codecs.ok) console.log("nothing found");
process.exitCode = native.kind === "passed" && codecs.ok ? 0 : 1;
