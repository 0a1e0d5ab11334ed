import { Command, Option } from "commander";
import { printLine } from "../output.ts";
import { stopSignal } from "../stop-signal.ts";

interface ServerCommandOptions {
  readonly data: string;
  readonly listen?: string;
  readonly publicUrl?: string;
  readonly relay?: string;
  readonly relayExternalIp?: string;
  readonly relayAllowPeer: readonly string[];
  readonly metrics?: string;
  readonly database?: string;
  readonly logLevel: "trace" | "debug" | "info" | "warn" | "error" | "silent";
}

export const DEFAULT_DATA_DIR = "/var/lib/asterism/server";

export function createServerCommand(): Command {
  return new Command("server")
    .description("run the server that introduces the machines to each other, in the foreground")
    .addOption(dataOption())
    .addOption(
      new Option("--listen <host:port>", "where to accept members (default: port 443 of every address)").env(
        "ASTERISM_LISTEN",
      ),
    )
    .addOption(
      new Option("--public-url <url>", "https://host[:port] by which machines reach this server").env(
        "ASTERISM_PUBLIC_URL",
      ),
    )
    .addOption(
      new Option("--relay <host:port>", "where to relay over UDP and TCP, or none (default: port 3478)").env(
        "ASTERISM_RELAY",
      ),
    )
    .option("--relay-external-ip <ipv4>", "public address of a host behind a one-to-one NAT, for the relay")
    .option("--relay-allow-peer <cidr>", "let the relay's users reach this range though it is not public", collect, [])
    .addOption(
      new Option("--metrics <host:port>", "serve Prometheus metrics over HTTP there (default: nowhere)").env(
        "ASTERISM_METRICS",
      ),
    )
    .addOption(new Option("--database <url>", "not supported in this version").env("ASTERISM_DATABASE"))
    .addOption(
      new Option("--log-level <level>", "how much to log on standard error")
        .env("ASTERISM_LOG_LEVEL")
        .choices(["trace", "debug", "info", "warn", "error", "silent"])
        .default("info"),
    )
    .addOption(new Option("--json", "accepted for symmetry; logs are JSON anyway").hideHelp())
    .action(async ({ data, ...options }: ServerCommandOptions) => {
      const { startServer } = await import("@asterism/server");
      const server = await startServer({ dataDir: data, ...options });
      printLine(`ready: ${server.url}`);
      await stopSignal();
      await server.close();
    });
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

export function dataOption(): Option {
  return new Option("--data <dir>", "folder of the server's data").env("ASTERISM_DATA").default(DEFAULT_DATA_DIR);
}
