import type { AgentStatus, NetworkStatus } from "@asterism/core/local-api";
import { Command } from "commander";
import { type AgentOptions, connectAgent, jsonOption, socketOption } from "../agent-options.ts";
import { printJson, printLine } from "../output.ts";
import { formatPeerTable } from "../peer-table.ts";

export function createStatusCommand(): Command {
  return new Command("status")
    .description("show networks, peers and the paths to them")
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (options: AgentOptions) => {
      const status = await connectAgent(options).status();
      if (options.json === true) printJson(status);
      else printLine(formatStatus(status));
    });
}

function formatStatus(status: AgentStatus): string {
  const lines: string[] = [];
  if (status.agent.problem !== null) lines.push(`problem: ${status.agent.problem}`, "");
  if (status.networks.length === 0) lines.push("this machine is in no network; join one with `asterism join KEY`");
  return [...lines, ...status.networks.map(formatNetwork)].join("\n");
}

function formatNetwork(network: NetworkStatus): string {
  const { self, server } = network;
  const connection = server.connected ? "connected" : "not connected";
  return [
    `${network.name} (${network.state}${network.interface === null ? "" : ` on ${network.interface}`})`,
    `  this machine  ${self.fqdn}  ${[self.ipv4, self.ipv6].filter((address) => address !== null).join("  ")}`,
    `  server        ${server.url}  ${connection}${server.since === null ? "" : ` since ${server.since}`}`,
    ...(network.problem === null ? [] : [`  problem       ${network.problem}`]),
    "",
    ...(network.state === "running" ? [indent(formatPeers(network)), ""] : []),
  ].join("\n");
}

function formatPeers({ peers }: NetworkStatus): string {
  return peers.length === 0 ? "no other members yet" : formatPeerTable(peers);
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
