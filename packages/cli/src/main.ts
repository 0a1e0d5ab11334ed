import { AsterismError } from "@asterism/core/errors";
import { VERSION } from "@asterism/core/version";
import { Command, CommanderError } from "commander";
import { EXIT_DONE, EXIT_FAILED, EXIT_USAGE, printError } from "./output.ts";

/** Each command's module, loaded only when it is asked for (or all of them, for the list in `--help`). */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  server: async () => (await import("./commands/server.ts")).createServerCommand(),
  agent: async () => (await import("./commands/agent.ts")).createAgentCommand(),
  relay: async () => (await import("./commands/relay.ts")).createRelayCommand(),
  join: async () => (await import("./commands/join.ts")).createJoinCommand(),
  leave: async () => (await import("./commands/membership.ts")).createLeaveCommand(),
  up: async () => (await import("./commands/membership.ts")).createUpCommand(),
  down: async () => (await import("./commands/membership.ts")).createDownCommand(),
  status: async () => (await import("./commands/status.ts")).createStatusCommand(),
  peers: async () => (await import("./commands/peers.ts")).createPeersCommand(),
  ping: async () => (await import("./commands/ping.ts")).createPingCommand(),
  mode: async () => (await import("./commands/mode.ts")).createModeCommand(),
  netcheck: async () => (await import("./commands/netcheck.ts")).createNetcheckCommand(),
  explain: async () => (await import("./commands/explain.ts")).createExplainCommand(),
  links: async () => (await import("./commands/links.ts")).createLinksCommand(),
  admin: async () => (await import("./commands/admin/admin.ts")).createAdminCommand(),
};

async function main(args: readonly string[]): Promise<number> {
  const program = new Command("asterism")
    .description("Peer-to-peer mesh VPN: a server introduces the machines, packets go straight between them.")
    .version(VERSION, "-V, --version")
    .exitOverride();
  const wanted = COMMANDS[args[0] ?? ""];
  const loaders = wanted === undefined ? Object.values(COMMANDS) : [wanted];
  for (const load of loaders) addWithExitOverride(program, await load());
  if (args.length === 0) {
    program.outputHelp({ error: true });
    return EXIT_USAGE;
  }
  try {
    await program.parseAsync([...args], { from: "user" });
    return process.exitCode === undefined ? EXIT_DONE : Number(process.exitCode);
  } catch (error) {
    return reportFailure(error);
  }
}

/** Makes a command and those below it throw instead of ending the process, so that exit codes are decided in one place. */
function addWithExitOverride(parent: Command, command: Command): void {
  override(command);
  parent.addCommand(command);
}

function override(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) override(child);
}

function reportFailure(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_DONE : EXIT_USAGE;
  if (error instanceof AsterismError) {
    printError(error.message);
    return error.exitCode;
  }
  printError(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT_FAILED;
}

// `asterism status | head` closes the pipe early: an end like any other.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(EXIT_DONE);
});
process.exitCode = await main(process.argv.slice(2));
