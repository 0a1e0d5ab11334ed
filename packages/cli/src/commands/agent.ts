import { DEFAULT_AGENT_SOCKET } from "@asterism/client/agent";
import { Command, Option } from "commander";
import { proxyOption } from "../agent-options.ts";
import { printLine } from "../output.ts";

interface AgentCommandOptions {
  readonly state: string;
  readonly socket: string;
  readonly cipher: "auto" | "chacha20-poly1305";
  readonly portMapping: boolean;
  readonly metrics?: string;
  readonly proxy?: string;
  readonly offerRelay?: string;
  readonly relayExternalIp?: string;
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
    .addOption(
      new Option(
        "--cipher <name>",
        "cipher of the tunnels: auto takes AES-256-GCM where both ends have AES instructions",
      )
        .env("ASTERISM_CIPHER")
        .choices(["auto", "chacha20-poly1305"])
        .default("auto"),
    )
    .addOption(
      new Option("--no-port-mapping", "do not ask the router to map UDP ports (PCP, NAT-PMP, UPnP)").env(
        "ASTERISM_NO_PORT_MAPPING",
      ),
    )
    .addOption(proxyOption())
    .addOption(
      new Option("--metrics <host:port>", "serve Prometheus metrics over HTTP there (default: nowhere)").env(
        "ASTERISM_AGENT_METRICS",
      ),
    )
    .addOption(
      new Option("--offer-relay [host:port]", "relay for the networks' members, on a machine with a public address")
        .env("ASTERISM_OFFER_RELAY")
        .preset(":3478"),
    )
    .option("--relay-external-ip <ipv4>", "public address of a host behind a one-to-one NAT, for the relay")
    .addOption(new Option("--json", "accepted for symmetry; logs are JSON anyway").hideHelp())
    .action(async (options: AgentCommandOptions) => {
      const { startAgent } = await import("@asterism/agent");
      const agent = await startAgent({
        stateDir: options.state,
        socketPath: options.socket,
        cipher: options.cipher,
        portMapping: options.portMapping,
        ...(options.proxy === undefined ? {} : { proxy: options.proxy }),
        ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
        relay:
          options.offerRelay === undefined
            ? undefined
            : { listen: options.offerRelay, externalIpv4: options.relayExternalIp },
      });
      printLine("ready");
      await agent.stopped;
    });
}
