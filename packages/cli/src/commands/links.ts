import type { LinkPath, LinkStatus, LinksAnswer, NetworkLinks } from "@asterism/core/local-api";
import { Command } from "commander";
import { type AgentOptions, connectAgent, jsonOption, socketOption } from "../agent-options.ts";
import { type LinkOptions, linkCapOption, linkCostOption, linkSettings, linksOption } from "../link-options.ts";
import { counted, formatBits, formatBytes, formatTable, printJson, printLine } from "../output.ts";
import { FIGURE_HEADER, figureCells } from "../path-figures.ts";

interface ShowOptions extends AgentOptions {
  readonly paths?: boolean;
}

interface SetOptions extends ShowOptions, LinkOptions {}

/** Paths of one link that are shown unless all are asked for. */
const SHOWN_PATHS = 10;

export function createLinksCommand(): Command {
  return new Command("links")
    .description("show the links (uplinks) that the networks use, or change them")
    .addOption(socketOption())
    .addOption(jsonOption())
    .option("--paths", "show every path in use, also to peers that are reached by one path only")
    .action(async (options: ShowOptions) => print(await connectAgent(options).links(), options))
    .addCommand(createSetCommand());
}

function createSetCommand(): Command {
  const command = new Command("set")
    .description("change the links of a network; what is not named stays as it is")
    .argument("[network]", "name or id of the network")
    .addOption(linksOption())
    .addOption(linkCostOption())
    .addOption(linkCapOption())
    .addOption(socketOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nTakes effect at once, connections go on. For example:\n" +
        "  asterism links set --links eth0,wwan0 --link-cost wwan0=10\n" +
        "  asterism links set --link-cap wwan0=5mbit\n" +
        "  asterism links set --links any",
    );
  return command.action(async (network: string | undefined) => {
    // The options of `links` itself are known to `set` as well.
    const options = command.optsWithGlobals<SetOptions>();
    const settings = linkSettings(options);
    if (settings === undefined) command.error("error: nothing to set: give --links, --link-cost or --link-cap");
    print(
      await connectAgent(options).setLinks({ ...(network === undefined ? {} : { network }), ...settings }),
      options,
    );
  });
}

function print(answer: LinksAnswer, options: ShowOptions): void {
  if (options.json === true) printJson(answer);
  else if (answer.networks.length === 0) printLine("this machine is in no network; join one with `asterism join KEY`");
  else printLine(answer.networks.map((network) => formatNetwork(network, options.paths === true)).join("\n\n"));
}

function formatNetwork({ network, use, links }: NetworkLinks, allPaths: boolean): string {
  const heading = `network ${network}, links ${typeof use === "string" ? use : use.join(",")}`;
  if (links.length === 0) return `${heading}\n  the network is down; bring it up with \`asterism up ${network}\``;
  return [heading, ...links.map((link) => formatLink(link, allPaths))].join("\n");
}

function formatLink(link: LinkStatus, allPaths: boolean): string {
  const { name, boundTo, state, problem, port, addresses, publicAddresses, relayedAddresses, nat } = link;
  const title = boundTo === null ? "any interface (bound to none)" : name;
  const rows = [
    ["port", port === null ? "none open" : String(port)],
    ["addresses", addresses.join(", ") || "none"],
    ["public", publicAddresses.join(", ") || (nat === "none" ? "the same" : "not known yet")],
    ["NAT", nat.replace("udp", "UDP")],
    ...(relayedAddresses.length === 0 ? [] : [["relayed", relayedAddresses.join(", ")]]),
    ["cost", link.cost === 0 ? "0" : `${link.cost} (used only while no cheaper link works)`],
    ...(link.capBitsPerSecond === null
      ? []
      : [["limit", `${formatBits(link.capBitsPerSecond)} for each peer while packets are spread over several paths`]]),
    ["traffic", formatTraffic(link)],
    ["peers", formatPeers(link.paths)],
    ...(link.advice === null ? [] : [["advice", link.advice]]),
  ];
  const lines =
    state === "up"
      ? rows
      : [["why", problem ?? ""], ...rows.filter(([label]) => label === "cost" || label === "limit")];
  const blocks = [formatTable(lines), ...pathTable(link.paths, allPaths)].join("\n");
  return `  ${title}: ${state}\n${blocks.replaceAll(/^(?=.)/gm, "    ")}`;
}

function formatTraffic({ txBytes, rxBytes, lostPackets, resentPackets }: LinkStatus): string {
  const traffic = `${formatBytes(txBytes)} sent, ${formatBytes(rxBytes)} received`;
  const isSpread = lostPackets + resentPackets > 0;
  return isSpread ? `${traffic}, ${counted(lostPackets, "packet")} lost, ${resentPackets} sent again` : traffic;
}

function formatPeers(paths: readonly LinkPath[]): string {
  const names = (which: readonly LinkPath[]): number => new Set(which.map(({ peer }) => peer)).size;
  const [spread, single] = [names(paths.filter(isSpread)), names(paths.filter((path) => !isSpread(path)))];
  const parts = [
    single === 0 ? "" : `${single} by this link alone`,
    spread === 0 ? "" : `${spread} by several paths together`,
  ].filter((part) => part !== "");
  return parts.join(", ") || "none";
}

function isSpread({ pathsInUse }: LinkPath): boolean {
  return pathsInUse > 1;
}

function pathTable(paths: readonly LinkPath[], allPaths: boolean): string[] {
  const wanted = allPaths ? paths : paths.filter(isSpread);
  if (wanted.length === 0) return [];
  const shown = allPaths ? wanted : wanted.slice(0, SHOWN_PATHS);
  const rows = shown.map((path) => {
    const to = `${path.remote}${path.kind === "relayed" ? " (relayed)" : ""}`;
    return [path.peer, path.mode, to, ...figureCells({ ...path, idleBecause: null })];
  });
  const rest = wanted.length - shown.length;
  const more = rest === 0 ? [] : [`and ${rest} more; \`asterism links --paths\` shows them`];
  return ["", formatTable([["PEER", "MODE", "TO", ...FIGURE_HEADER], ...rows]), ...more];
}
