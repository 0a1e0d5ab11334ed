import { DEFAULT_AGENT_SOCKET } from "@asterism/client";
import { Command, Option } from "commander";
import { printLine } from "../output.ts";

interface AgentCommandOptions {
  readonly state: string;
  readonly socket: string;
}

export function createAgentCommand(): Command {
  return new Command("agent")
    .description("run the agent in the foreground")
    .addOption(
      new Option("--state <dir>", "folder for keys and the cached network map")
        .env("ASTERISM_STATE")
        .default("/var/lib/asterism/agent"),
    )
    .addOption(
      new Option("--socket <path>", "where the local API listens").env("ASTERISM_SOCKET").default(DEFAULT_AGENT_SOCKET),
    )
    .addOption(new Option("--json", "accepted for symmetry; logs are JSON anyway").hideHelp())
    .action(async (options: AgentCommandOptions) => {
      const { startAgent } = await import("@asterism/agent");
      const agent = await startAgent({ stateDir: options.state, socketPath: options.socket });
      printLine("ready");
      await agent.stopped;
    });
}
