/** `npm run demo [-- STORY [--short]]`: shows Asterism between machines made of network namespaces, and cleans up. */
import { whyLabCannotRun } from "../net/lab-error.ts";
import { whyProductCannotRun } from "../product/asterism-command.ts";
import { multipath } from "./multipath.ts";
import { Stage, type StoryOptions } from "./stage.ts";
import { threeHosts } from "./three-hosts.ts";
import { twoNats } from "./two-nats.ts";

const STORIES: Readonly<Record<string, (stage: Stage, options: StoryOptions) => Promise<void>>> = {
  "two-nats": twoNats,
  "three-hosts": threeHosts,
  multipath,
};

async function main([name = "two-nats"]: readonly string[], options: StoryOptions): Promise<number> {
  const story = STORIES[name];
  if (story === undefined) {
    console.error(`no demo '${name}'; there is: ${Object.keys(STORIES).join(", ")}`);
    return 2;
  }
  const reason = whyLabCannotRun() ?? whyProductCannotRun();
  if (reason !== undefined) {
    console.error(`the demo cannot run here: ${reason}`);
    return 1;
  }
  const startedAt = performance.now();
  try {
    await story(new Stage((text) => process.stdout.write(text)), options);
  } catch (error: unknown) {
    console.error(`\nthe demo failed: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
  console.log(`\nDone in ${((performance.now() - startedAt) / 1e3).toFixed(1)} s; everything is cleaned up.`);
  return 0;
}

const words = process.argv.slice(2);
process.exitCode = await main(
  words.filter((word) => word !== "--short"),
  { short: words.includes("--short") },
);
