import type { LinkStatus, LinksAnswer, NetworkLinks } from "@asterism/core/local-api";
import { Command } from "commander";
import { type AgentOptions, connectAgent, jsonOption, socketOption } from "../agent-options.ts";
import { type LinkOptions, linkCapOption, linkCostOption, linkSettings, linksOption } from "../link-options.ts";
import { formatBits, formatBytes, formatTable, printJson, printLine } from "../output.ts";

interface SetOptions extends AgentOptions, LinkOptions {}

export function createLinksCommand(): Command {
  return new Command("links")
    .description("show the links (uplinks) that the networks use, or change them")
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (options: AgentOptions) => print(await connectAgent(options).links(), options))
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

function print(answer: LinksAnswer, options: AgentOptions): void {
  if (options.json === true) printJson(answer);
  else if (answer.networks.length === 0) printLine("this machine is in no network; join one with `asterism join KEY`");
  else printLine(answer.networks.map(formatNetwork).join("\n\n"));
}

function formatNetwork({ network, use, links }: NetworkLinks): string {
  const heading = `network ${network}, links ${typeof use === "string" ? use : use.join(",")}`;
  if (links.length === 0) return `${heading}\n  the network is down; bring it up with \`asterism up ${network}\``;
  return [heading, ...links.map(formatLink)].join("\n");
}

function formatLink(link: LinkStatus): string {
  const { name, boundTo, state, problem, port, addresses, publicAddresses, relayedAddresses, nat } = link;
  const title = boundTo === null ? "any interface (bound to none)" : name;
  const rows = [
    ["port", port === null ? "none open" : String(port)],
    ["addresses", addresses.join(", ") || "none"],
    ["public", publicAddresses.join(", ") || (nat === "none" ? "the same" : "not known yet")],
    ["NAT", nat],
    ...(relayedAddresses.length === 0 ? [] : [["relayed", relayedAddresses.join(", ")]]),
    ["cost", link.cost === 0 ? "0" : `${link.cost} (used only while no cheaper link works)`],
    ...(link.capBitsPerSecond === null ? [] : [["limit", formatBits(link.capBitsPerSecond)]]),
    ["traffic", `${formatBytes(link.txBytes)} sent, ${formatBytes(link.rxBytes)} received`],
  ];
  const lines =
    state === "up"
      ? rows
      : [["why", problem ?? ""], ...rows.filter(([label]) => label === "cost" || label === "limit")];
  return `  ${title}: ${state}\n${formatTable(lines).replaceAll(/^/gm, "    ")}`;
}
