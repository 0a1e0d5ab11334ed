import type { ModeAnswer, ModeBody } from "@asterism/core/local-api";
import { TRAFFIC_MODES } from "@asterism/core/paths";
import { Argument, Command } from "commander";
import { type AgentOptions, connectAgent, jsonOption, socketOption } from "../agent-options.ts";
import { describeMode } from "../mode-words.ts";
import { printJson, printLine } from "../output.ts";

export function createModeCommand(): Command {
  return new Command("mode")
    .description("choose how packets for a peer use the paths to it, or show what is in force")
    .argument("<peer>", "name, fully qualified name or overlay address")
    .addArgument(new Argument("[mode]", "left out: show it").choices([...TRAFFIC_MODES, "default"]))
    .addOption(socketOption())
    .addOption(jsonOption())
    .addHelpText("after", HELP)
    .action(async (peer: string, mode: ModeBody["mode"], options: AgentOptions) => {
      const answer = await connectAgent(options).mode(mode === undefined ? { peer } : { peer, mode });
      if (options.json === true) printJson(answer);
      else printLine(formatMode(answer));
    });
}

const HELP = `
best       one path, the best there is
aggregate  all paths: near the sum of them, also for one connection
auto       as aggregate for what moves much; what moves little takes the fastest path
redundant  each packet by two paths, the first one counts
default    what the peer has chosen, else what the network's default is

The peer follows unless it has made a choice of its own. The choice is kept until it is changed.`;

function formatMode({ peer, network, ...inForce }: ModeAnswer): string {
  return `${peer}: ${describeMode(inForce, peer, network)}`;
}
