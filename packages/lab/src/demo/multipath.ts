import { setTimeout as sleep } from "node:timers/promises";
import type { AgentStatus } from "@asterism/core/local-api";
import type { Host } from "../net/host.ts";
import { Lab } from "../net/lab.ts";
import { insist, type Stage, type StoryOptions } from "./stage.ts";

/** The machine's lines, by interface; one-way delays. */
const LINES = [
  { name: "eth0", what: "DSL", rateMbit: 10, delayMs: 10 },
  { name: "eth1", what: "cable", rateMbit: 20, delayMs: 20 },
  { name: "eth2", what: "mobile", rateMbit: 40, delayMs: 40 },
] as const;
const [, , MOBILE] = LINES;

/** How long the transfers take, in seconds, and after how many a line is cut in the last one. */
const LONG = { alone: 3, together: 8, last: 9, cutAfter: 4 };
const SHORT = { alone: 1, together: 4, last: 4, cutAfter: 2 };
const PATHS_WITHIN_MS = 15_000;

/** A machine with three lines: each alone, one of them chosen, all together, and one cut in mid-transfer. */
export async function multipath(stage: Stage, { short }: StoryOptions): Promise<void> {
  const seconds = short ? SHORT : LONG;
  await using lab = Lab.create("demo");
  const internet = await lab.internet();
  const [vega, deneb] = await Promise.all([internet.host("vega"), internet.host("deneb", { ipv6: false })]);
  const [dsl, ...others] = LINES;
  const rigel = await internet.host("rigel", { ipv6: false, link: dsl });
  for (const line of others) await internet.attach(rigel, { ipv6: false, link: line });
  stage.say("vega and deneb are well connected. rigel has three lines, each with an address of its own:");
  for (const { name, what, rateMbit, delayMs } of LINES) {
    stage.say(`  ${name}  ${what}, ${rateMbit} Mbit/s, ${delayMs} ms each way`);
  }

  stage.step("Start the server on vega, and join; rigel uses every line that leads out");
  const data = await vega.folder("server");
  await stage.start(vega, `asterism server --data ${data} --public-url https://${vega.ipv4}`, /^ready: .*$/m);
  const key = await stage.run(vega, `asterism admin key create --reusable --data ${data}`);
  for (const host of [rigel, deneb]) {
    await stage.start(host, "asterism agent", /^ready.*$/m);
    await stage.run(host, `asterism join ${key} --name ${host.name}${host === rigel ? " --links auto" : ""}`);
  }
  const address = (await statusOf(stage, deneb)).networks[0]?.self.ipv4 ?? "";
  await stage.start(deneb, "iperf3 -s --forceflush", /Server listening.*$/m);
  const transfer = async (time: number, options: Parameters<Stage["run"]>[2] = {}): Promise<number> => {
    const line = `iperf3 -c ${address} -t ${time} -f m --forceflush`;
    return rateOf(await stage.run(rigel, line, { show: totalLine, ...options }));
  };

  stage.step("One TCP connection by each line alone");
  const alone: number[] = [];
  for (const { name } of LINES) {
    await stage.run(rigel, `asterism links set --links ${name}`, { show: () => "…" });
    await stage.quietly(rigel, "asterism ping deneb --until-direct");
    alone.push(await transfer(seconds.alone));
  }
  const sum = alone.reduce((total, rate) => total + rate, 0);

  stage.step("All lines in mode best: one of them carries everything");
  await stage.run(rigel, "asterism links set --links auto", { show: () => "…" });
  await usesPaths(stage, rigel, 1);
  const best = await transfer(seconds.alone);

  stage.step("All lines in mode aggregate: the same connection over all of them");
  await stage.run(rigel, "asterism mode deneb aggregate");
  await usesPaths(stage, rigel, LINES.length);
  const together = await transfer(seconds.together, {
    once: {
      printed: second(seconds.together - 2),
      act: () => showPaths(stage, rigel, "(meanwhile in another terminal)"),
    },
  });
  stage.say(
    `${LINES.length} lines alone: ${alone.map((rate) => rate.toFixed(1)).join(" + ")} = ${sum.toFixed(1)} Mbit/s.`,
  );
  stage.say(`One connection: ${best.toFixed(1)} Mbit/s in best, ${together.toFixed(1)} Mbit/s in aggregate.`);
  insist(together > 1.2 * best, "the lines together carried no more than one of them");

  stage.step(`The fastest line (${MOBILE.name}) is cut in mid-transfer: the connection goes on with what is left`);
  const cable = rigel.attachments[LINES.indexOf(MOBILE)];
  await transfer(seconds.last, {
    show: intervalLines,
    once: { printed: second(seconds.cutAfter), act: () => cable?.cut() ?? Promise.resolve() },
  });
  await showPaths(stage, rigel);

  stage.step("It comes back, and is used again");
  await cable?.mend();
  await usesPaths(stage, rigel, LINES.length);
  await stage.run(rigel, "asterism status");
}

async function statusOf(stage: Stage, host: Host): Promise<AgentStatus> {
  return JSON.parse(await stage.quietly(host, "asterism status --json")) as AgentStatus;
}

/** Waits until so many paths carry packets to deneb; some packets make them be looked for. */
async function usesPaths(stage: Stage, host: Host, count: number): Promise<void> {
  const deadline = performance.now() + PATHS_WITHIN_MS;
  for (let used = -1; used !== count; ) {
    insist(performance.now() < deadline, `${used} paths are in use instead of ${count}`);
    await stage.quietly(host, "asterism ping deneb --until-direct");
    const { networks } = await statusOf(stage, host);
    used =
      networks[0]?.peers[0]?.paths.filter(({ state, kind }) => state === "active" && kind === "direct").length ?? 0;
    if (used !== count) await sleep(200);
  }
}

/** The part of `explain` that is about several paths. */
async function showPaths(stage: Stage, host: Host, remark?: string): Promise<void> {
  if (remark !== undefined) stage.say(remark);
  const show = (output: string): string => {
    const mode = /^ +mode .*$/m.exec(output)?.[0] ?? "";
    return `${mode}\n${/^paths that work\n(?: .*\n)*/m.exec(output)?.[0] ?? ""}`;
  };
  await stage.run(host, "asterism explain deneb", { show });
}

/** iperf3 has printed how this second went. */
function second(number: number): RegExp {
  return new RegExp(String.raw`${number - 1}\.00-${number}\.\d+ +sec`);
}

function totalLine(output: string): string {
  return output.split("\n").find((line) => line.endsWith("receiver")) ?? "";
}

/** Each second, and what arrived in all. */
function intervalLines(output: string): string {
  const intervals = output.matchAll(/ ([\d.]+-[\d.]+) +sec .* ([\d.]+ Mbits\/sec) .*?(sender|receiver)?$/gm);
  return [...intervals]
    .filter(([, , , end]) => end !== "sender")
    .map(
      ([, interval = "", rate = "", end]) =>
        `${interval.padStart(12)} s  ${rate.padStart(16)}${end === undefined ? "" : "  in all"}`,
    )
    .join("\n");
}

function rateOf(output: string): number {
  return Number(/([\d.]+) Mbits\/sec/.exec(totalLine(output))?.[1] ?? Number.NaN);
}
