import type { LinkCheck, NetworkCheck, ProxyCheck, RelayCheck, StunServerCheck } from "@asterism/core/local-api";
import { Command } from "commander";
import { type AgentOptions, connectAgent, jsonOption, socketOption } from "../agent-options.ts";
import { formatNextPorts } from "../next-ports.ts";
import { formatMs, formatTable, printJson, printLine } from "../output.ts";

export function createNetcheckCommand(): Command {
  return new Command("netcheck")
    .description("examine the NAT, firewall and relays in front of this machine")
    .addOption(socketOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nMapping and filtering are the words of RFC 4787. Needs a network that is up: its relays and STUN servers are asked.",
    )
    .action(async (options: AgentOptions) => {
      const answer = await connectAgent(options).netcheck();
      if (options.json === true) printJson(answer);
      else printLine(answer.networks.map(formatNetwork).join("\n\n"));
    });
}

function formatNetwork(check: NetworkCheck): string {
  const rows = [
    ["UDP", yesOrNo(check.udp, "works", "blocked, or nobody answers")],
    ["IPv4", yesOrNo(check.ipv4)],
    ["IPv6", yesOrNo(check.ipv6)],
    ...check.links.flatMap(linkRows),
    ["port mapping", formatPortMapping(check)],
    ["server", `${check.server.url} (${check.server.connected ? "connected" : "not connected"})`],
    ...(check.proxy === null ? [] : [["proxy", formatProxy(check.proxy)]]),
    ...labelled("STUN servers", formatTable(stunServerRows(check.stunServers))),
    ...labelled("relays", formatTable(check.relays.map(relayCells))),
  ];
  return `network ${check.network}\n${indent(formatTable(rows))}\n\n${check.advice.text}`;
}

function linkRows(link: LinkCheck): string[][] {
  const name = `${link.link ?? "no route"} IPv${link.ipVersion}`;
  if (link.udp === false) return [[name, "no UDP answer"]];
  const hairpin = link.hairpin === null ? [] : [`hairpin ${link.hairpin ? "works" : "does not work"}`];
  const words = link.nextPorts === null ? link.ports : formatNextPorts(link.nextPorts);
  const ports = link.ports === "unknown" || link.type === "none" ? [] : [`ports ${words}`];
  return [
    [name, link.type === "none" ? "no NAT" : `NAT: ${link.type}`],
    ["", `mapping ${link.mapping}, filtering ${link.filtering}`],
    ["", [`public ${link.publicAddresses.join(", ") || "unknown"}`, ...ports, ...hairpin].join(", ")],
  ];
}

/** Each link asks by itself. */
function stunServerRows(servers: readonly StunServerCheck[]): string[][] {
  const severalLinks = new Set(servers.map(({ link }) => link)).size > 1;
  return servers.map(({ address, link, answered, rttMs, mapped }) => {
    const by = severalLinks ? [`by ${link ?? "no route"}`] : [];
    return [address, ...by, answered ? formatMs(rttMs) : "no answer", mapped === null ? "" : `sees ${mapped}`];
  });
}

function relayCells({ name, addresses, preferred, rttMs, state, transport, problem }: RelayCheck): string[] {
  const use = [
    preferred ? "preferred" : "",
    state === "in-use" ? `in use over ${(transport ?? "udp").toUpperCase()}` : "",
  ]
    .filter(Boolean)
    .join(", ");
  return [name, addresses.join(" "), formatMs(rttMs), problem ?? use];
}

function formatPortMapping({ portMappings, portMapping }: NetworkCheck): string {
  const problem = portMapping?.problem ?? null;
  if (portMappings.length === 0) return problem === null ? "none" : `none: ${problem.text}`;
  const protocol = portMapping?.protocol ?? null;
  return portMappings.join(", ") + (protocol === null ? "" : ` by ${PROTOCOLS[protocol]}`);
}

export function formatProxy({ url, problem }: ProxyCheck): string {
  return problem === null ? `${url} (in use)` : `${url} ${problem}; the direct way is tried instead`;
}

const PROTOCOLS = { pcp: "PCP", "nat-pmp": "NAT-PMP", upnp: "UPnP" };

/** The label stands beside the first of the lines. */
function labelled(label: string, lines: string): string[][] {
  return (lines === "" ? "none" : lines).split("\n").map((line, index) => [index === 0 ? label : "", line]);
}

function yesOrNo(value: boolean | null, yes = "yes", no = "no"): string {
  if (value === null) return "no address, or nobody to ask";
  return value ? yes : no;
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
