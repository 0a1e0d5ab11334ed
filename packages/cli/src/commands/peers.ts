import { Command } from "commander";
import { type AgentOptions, connectAgent, jsonOption, socketOption } from "../agent-options.ts";
import { printJson, printLine } from "../output.ts";
import { formatPeerTable } from "../peer-table.ts";

export function createPeersCommand(): Command {
  return new Command("peers")
    .description("list the other members of this machine's networks")
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (options: AgentOptions) => {
      const { networks } = await connectAgent(options).status();
      if (options.json === true) {
        printJson({ peers: networks.flatMap(({ name, peers }) => peers.map((peer) => ({ network: name, ...peer }))) });
        return;
      }
      for (const network of networks) {
        if (networks.length > 1) printLine(`${network.name}:`);
        printLine(network.peers.length === 0 ? "no other members yet" : formatPeerTable(network.peers));
      }
    });
}
