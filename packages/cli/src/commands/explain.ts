import type {
  NatSide,
  NextPorts,
  PathAttempt,
  PathChange,
  PathWords,
  PeerExplanation,
  TriedPath,
} from "@asterism/core/local-api";
import { Command } from "commander";
import { type AgentOptions, connectAgent, jsonOption, socketOption } from "../agent-options.ts";
import { describeMode } from "../mode-words.ts";
import { formatNextPorts } from "../next-ports.ts";
import { formatMs, formatPath, formatTable, printJson, printLine } from "../output.ts";
import { FIGURE_HEADER, figureCells } from "../path-figures.ts";

const SHOWN_HISTORY = 12;

export function createExplainCommand(): Command {
  return new Command("explain")
    .description("show how a peer is reached, what was tried, and what would make it better")
    .argument("<peer>", "name, fully qualified name or overlay address")
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (peer: string, options: AgentOptions) => {
      const explanation = await connectAgent(options).explain({ peer });
      if (options.json === true) printJson(explanation);
      else printLine(formatExplanation(explanation));
    });
}

function formatExplanation(explanation: PeerExplanation): string {
  const { peer, advice, modeAdvice, tried, history } = explanation;
  return [
    `${peer.name} (${peer.ipv4}), ${peer.online ? "online" : "offline"}, in network ${explanation.network}`,
    indent(formatTable(summaryRows(explanation))),
    ...workingPaths(explanation),
    ...section("tried", tried.map(triedCells)),
    ...section("history", recentHistory(history)),
    "",
    advice.text,
    ...(modeAdvice === null ? [] : [modeAdvice.text]),
  ].join("\n");
}

function summaryRows(explanation: PeerExplanation): string[][] {
  const { network, peer, mode, path, pathSince, nat, nextPorts, udp, portMapping, relays, echoMs } = explanation;
  const since = pathSince === null ? "" : `, since ${formatTime(pathSince)}`;
  const echo = echoMs === null ? "echo not answered" : `echo ${formatMs(echoMs)}`;
  return [
    ["path", path.kind === "none" ? "none" : `${formatPath(path)}${since}, ${echo}`],
    ...(mode === null ? [] : [["mode", describeMode(mode, peer.name, network)]]),
    ["NAT here", formatNats(nat.here, nextPorts.here, bestOff(explanation))],
    ["NAT there", nat.there === null ? "not told by the peer" : formatNats(nat.there, nextPorts.there)],
    ["UDP", `${formatUdp("here", udp.here)}, ${formatUdp("there", udp.there)}`],
    ["port mapping", formatPortMapping(portMapping)],
    ...callRows(explanation),
    ["relays", relays.length === 0 ? "none" : relays.map(formatRelay).join(", ")],
    ["direct", directOutlook(explanation)],
    ...punchRows(explanation),
    ["packets", formatPackets(explanation)],
  ];
}

function formatNats(sides: readonly NatSide[], ports: readonly NextPorts[], note = ""): string {
  if (sides.length === 0) return "unknown";
  const words = sides.map(({ ipVersion, type, mapping, filtering, udp }) => {
    if (udp === false) return `IPv${ipVersion} UDP blocked`;
    if (type === "none") return `IPv${ipVersion} no NAT (filtering ${filtering})`;
    return `IPv${ipVersion} ${type} (mapping ${mapping}, filtering ${filtering})`;
  });
  const known = ports.map((next) => ({ address: next.address, text: formatNextPorts(next) }));
  const places = known.filter(({ text }) => text !== "").map(({ address, text }) => `ports of ${address}: ${text}`);
  return [`${words.join("; ")}${note}`, ...places].join("; ");
}

/** One NAT is told, and each link may have its own. */
function bestOff({ tried }: PeerExplanation): string {
  const links = new Set(tried.map(({ link }) => link));
  return links.size > 1 ? ", of the link that is best off (`asterism links` shows each)" : "";
}

function formatUdp(where: string, passes: boolean | null): string {
  if (passes === null) return `${where} not known`;
  return `${where} ${passes ? "works" : "blocked"}`;
}

function formatPortMapping({ here, there, problem }: PeerExplanation["portMapping"]): string {
  const why = problem === null ? "" : ` (${problem})`;
  return `here ${formatList(here)}${why}, there ${formatList(there)}`;
}

function formatList(addresses: readonly string[]): string {
  return addresses.length === 0 ? "none" : addresses.join(" ");
}

/** Nothing before the first call. */
function callRows({ calls: { sent, received }, peer }: PeerExplanation): string[][] {
  const inTunnel = "inside the tunnel";
  const parts: string[] = [];
  if (sent !== null) {
    const members = sent.members.map((name) => (name === peer.name ? inTunnel : `through ${name}`));
    const ways = [...(sent.byServer ? ["through the server"] : []), ...members];
    parts.push(
      `sent ${ways.length === 0 ? "to nobody who could pass it on" : ways.join(", ")} (${formatTime(sent.at)})`,
    );
  }
  if (received !== null) {
    const { forwardedBy } = received;
    const way = forwardedBy === peer.name ? inTunnel : `forwarded by ${forwardedBy ?? ""}`;
    parts.push(`received ${forwardedBy === null ? "through the server" : way} (${formatTime(received.at)})`);
  }
  return parts.length === 0 ? [] : [["calls", parts.join("; ")]];
}

function formatRelay({ name, rttMs, preferred, state, transport, problem }: PeerExplanation["relays"][number]): string {
  const notes = [
    formatMs(rttMs),
    preferred ? "preferred" : "",
    state === "in-use" ? `in use over ${(transport ?? "udp").toUpperCase()}` : "",
    problem ?? "",
  ];
  return `${name} (${notes.filter((note) => note !== "").join(", ")})`;
}

function directOutlook({ path, nextAttemptInMs, attemptsWithoutDirect }: PeerExplanation): string {
  if (path.kind === "direct") return "yes";
  const tries = attemptsWithoutDirect === 0 ? "" : `, ${attemptsWithoutDirect} in vain so far`;
  if (nextAttemptInMs === null) return `not being looked for, as nobody talks${tries}`;
  return `next attempt in ${Math.ceil(nextAttemptInMs / 1000)} s${tries}`;
}

/** Nothing where no ports were guessed, nor would be. */
function punchRows({ punching, path }: PeerExplanation): string[][] {
  const isOff = punching?.state === "off" && path.kind !== "direct";
  if (punching === null || (punching.attempts.length === 0 && !isOff && !PUNCH_STEPS.has(punching.state))) return [];
  const last = punching.attempts.at(-1);
  const result = last === undefined ? "" : `${PUNCH_RESULTS[last.result]} after ${formatMs(last.afterMs)}`;
  const sent = last === undefined || last.packets === 0 ? "" : `${last.packets} packets to ${PUNCH_ROLES[last.role]}`;
  const wait = punching.notBeforeInMs ?? 0;
  const next = last?.result !== "direct" && wait > 0 ? `again in ${Math.ceil(wait / 60_000)} min` : "";
  const now = {
    off: "switched off in this network",
    idle: "",
    waiting: "waiting for its turn",
    proposed: "proposed",
    running: "under way",
  };
  return [["guessing ports", [now[punching.state], result, sent, next].filter((part) => part !== "").join(", ")]];
}

const PUNCH_STEPS: ReadonlySet<string> = new Set(["waiting", "proposed", "running"]);
const PUNCH_ROLES = {
  sockets: "one port, each from a socket of its own",
  ports: "one port each",
  aimed: "ports that are foretold",
} as const;
const PUNCH_RESULTS = {
  direct: "direct",
  "no-hit": "no hit",
  "not-proven": "a hit that came to nothing",
  refused: "refused by the peer",
  unanswered: "not answered by the peer",
  "given-up": "given up",
} as const;

function formatPackets({ traffic }: PeerExplanation): string {
  const { txPackets, rxPackets, txRelayedPackets, rxRelayedPackets } = traffic;
  return `sent ${txPackets} (${txRelayedPackets} relayed), received ${rxPackets} (${rxRelayedPackets} relayed)`;
}

/** One path needs no table. Of those that carry nothing the best of each link and reason is enough. */
function workingPaths({ tried }: PeerExplanation): string[] {
  const working = tried.filter(({ state }) => state === "active" || state === "standby");
  if (working.length < 2) return [];
  const told = new Set<string>();
  const shown = working.filter(({ link, idleBecause }) => {
    if (idleBecause === null) return true;
    const isNew = !told.has(`${link} ${idleBecause}`);
    told.add(`${link} ${idleBecause}`);
    return isNew && !ADDS_NOTHING.has(idleBecause);
  });
  const rows = shown.map((path) => [path.link ?? "no route", formatRemote(path), ...figureCells(path)]);
  const others = working.length - shown.length;
  return [
    ...section("paths that work", [["LINK", "TO", ...FIGURE_HEADER], ...rows]),
    ...(others === 0 ? [] : [`  and ${others} more over the same links, left out`]),
  ];
}

const ADDS_NOTHING: ReadonlySet<string> = new Set(["same-links", "relayed", "table-full"]);

function formatRemote({ remote, via }: Pick<TriedPath, "remote" | "via">): string {
  return `${remote}${via === null ? "" : ` by relay ${via}`}`;
}

function triedCells({ remote, candidate, kind, via, link, state, rttMs, answeredAt, heardAt }: TriedPath): string[] {
  const way = `${link ?? "no route"}${via === null ? "" : ` by relay ${via}`}`;
  const heard = answeredAt === null && heardAt !== null ? ", though the peer's packets come in this way" : "";
  return [
    remote,
    candidate,
    kind,
    way,
    `${resultOf(state, answeredAt)}${heard}`,
    rttMs === null ? "" : formatMs(rttMs),
  ];
}

function resultOf(state: TriedPath["state"], answeredAt: string | null): string {
  if (state === "active") return "in use";
  if (state === "standby") return "works";
  if (state === "checking") return "being checked";
  return answeredAt === null ? "no answer" : "answers no more";
}

/** Changes and attempts in one list, the newest last. */
function recentHistory({ changes, attempts }: PeerExplanation["history"]): string[][] {
  const entries = [
    ...changes.map((change) => ({ at: change.at, cells: changeCells(change) })),
    ...attempts.map((attempt) => ({ at: attempt.at, cells: attemptCells(attempt) })),
  ];
  return entries
    .sort((a, b) => a.at.localeCompare(b.at))
    .slice(-SHOWN_HISTORY)
    .map(({ at, cells }) => [formatTime(at), ...cells]);
}

function changeCells({ to, why }: PathChange): string[] {
  return [to.kind === "none" ? "no path" : `changed to ${formatPath(withoutRtt(to))}`, why];
}

function attemptCells({ remote, via, result, afterMs, why }: PathAttempt): string[] {
  const after = result === "answered" && afterMs !== null ? ` after ${formatMs(afterMs)}` : "";
  return [formatRemote({ remote, via }), `${why}${after}`];
}

function withoutRtt(path: PathWords): PathWords {
  return { ...path, rttMs: null };
}

function section(title: string, rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : ["", title, indent(formatTable(rows))];
}

/** Local time of day. */
function formatTime(iso: string): string {
  return new Date(iso).toTimeString().slice(0, 8);
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
