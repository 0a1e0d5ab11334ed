import type { AgentClient } from "@asterism/client/agent";
import type { NetworkBody, NetworksAnswer } from "@asterism/core/local-api";
import { Command } from "commander";
import { type AgentOptions, connectAgent, jsonOption, socketOption } from "../agent-options.ts";
import { printJson, printLine } from "../output.ts";

export function createLeaveCommand(): Command {
  return membershipCommand("leave", "leave a network for good and forget its keys", "left", (agent, body) =>
    agent.leave(body),
  );
}

export function createUpCommand(): Command {
  return membershipCommand("up", "bring a network's interface up (all networks without a name)", "up:", (agent, body) =>
    agent.up(body),
  );
}

export function createDownCommand(): Command {
  return membershipCommand(
    "down",
    "take a network's interface down, staying a member (all networks without a name)",
    "down:",
    (agent, body) => agent.down(body),
  );
}

function membershipCommand(
  verb: string,
  description: string,
  done: string,
  run: (agent: AgentClient, body: NetworkBody) => Promise<NetworksAnswer>,
): Command {
  return new Command(verb)
    .description(description)
    .argument("[network]", "name or id of the network")
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (network: string | undefined, options: AgentOptions) => {
      const answer = await run(connectAgent(options), network === undefined ? {} : { network });
      if (options.json === true) printJson(answer);
      else printLine(`${done} ${answer.networks.join(", ")}`);
    });
}
