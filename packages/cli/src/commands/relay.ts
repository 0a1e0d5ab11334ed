import { readFile } from "node:fs/promises";
import { AsterismError } from "@asterism/core/errors";
import { formatUdpAddress } from "@asterism/core/net";
import type { RelayOptions, RunningRelay } from "@asterism/relay";
import { Command, InvalidArgumentError, Option } from "commander";
import { printLine } from "../output.ts";
import { stopSignal } from "../stop-signal.ts";

interface RelayCommandOptions {
  readonly listen: readonly string[];
  readonly tlsListen: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly secret?: string;
  readonly data?: string;
  readonly realm?: string;
  readonly minPort?: number;
  readonly maxPort?: number;
  readonly allowPeer: readonly string[];
  readonly externalIp?: string;
  readonly quotaAllocations?: number;
  readonly quotaBytes?: number;
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

function wholeNumber(text: string): number {
  if (!/^[0-9]{1,13}$/.test(text)) throw new InvalidArgumentError("A whole number is needed.");
  return Number(text);
}

export function createRelayCommand(): Command {
  return new Command("relay")
    .description("run a relay (STUN and TURN server) by itself, in the foreground")
    .option(
      "--listen <host:port>",
      "where to accept UDP and TCP, several times if need be (default: 3478, all)",
      collect,
      [],
    )
    .option("--tls-listen <host:port>", "where to accept TLS; needs --tls-cert and --tls-key", collect, [])
    .option("--tls-cert <file>", "certificate (chain) in PEM")
    .option("--tls-key <file>", "its key in PEM")
    .addOption(new Option("--secret <text>", "shared secret of the credentials").env("ASTERISM_RELAY_SECRET"))
    .addOption(new Option("--data <dir>", "folder that keeps a secret of its own").conflicts("secret"))
    .option("--realm <name>", "realm of the credentials (default: asterism)")
    .option("--min-port <port>", "lowest port of relayed addresses (default: 49152)", wholeNumber)
    .option("--max-port <port>", "highest port of relayed addresses (default: 65535)", wholeNumber)
    .option("--allow-peer <cidr>", "let clients reach this range though it is not public", collect, [])
    .option("--external-ip <ipv4>", "public address of a host behind a one-to-one NAT")
    .option("--quota-allocations <n>", "allocations per user (default: 64)", wholeNumber)
    .option("--quota-bytes <n>", "bytes per second of a user, each way (default: unlimited)", wholeNumber)
    .addOption(new Option("--json", "accepted for symmetry").hideHelp())
    .action(async (options: RelayCommandOptions) => {
      const relay = await start(options);
      printLine(`ready: ${describe(relay)}`);
      await stopSignal();
      await relay.close();
    });
}

async function start(options: RelayCommandOptions): Promise<RunningRelay> {
  const { DEFAULT_PORT, loadOrCreateSecret, parseListenAddress, startRelay } = await import("@asterism/relay");
  const listen = options.listen.length > 0 ? options.listen : [`:${DEFAULT_PORT}`];
  if (options.secret === undefined && options.data === undefined) {
    throw new AsterismError(
      "invalid-input",
      "A relay needs a secret, by which its users' server makes credentials: --secret TEXT, or --data DIR to make one.",
    );
  }
  const secret = options.secret ?? (await loadOrCreateSecret(options.data ?? ""));
  const tls = await readTls(options);
  return startRelay({
    listen: listen.map((text) => parseListenAddress(text, "--listen")),
    tlsListen: options.tlsListen.map((text) => parseListenAddress(text, "--tls-listen")),
    ...(tls === undefined ? {} : { tls }),
    secret,
    allowPeers: options.allowPeer,
    ...given("realm", options.realm),
    ...given("minPort", options.minPort),
    ...given("maxPort", options.maxPort),
    ...given("externalIpv4", options.externalIp),
    ...given("maxAllocationsPerUser", options.quotaAllocations),
    ...given("userBytesPerSecond", options.quotaBytes),
    log: (level, message, details) => console.error(JSON.stringify({ level, msg: message, ...details })),
  });
}

function given<K extends keyof RelayOptions>(name: K, value: RelayOptions[K] | undefined): Partial<RelayOptions> {
  return value === undefined ? {} : { [name]: value };
}

async function readTls({ tlsListen, tlsCert, tlsKey }: RelayCommandOptions): Promise<RelayOptions["tls"]> {
  if (tlsListen.length === 0) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new AsterismError("invalid-input", "TLS needs a certificate and its key: --tls-cert FILE --tls-key FILE");
  }
  return { certificatePem: await readPem(tlsCert), keyPem: await readPem(tlsKey) };
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new AsterismError("not-found", `${path} can't be read.`, { cause });
  }
}

function describe({ addresses }: RunningRelay): string {
  const of = (scheme: string, list: RunningRelay["addresses"]["udp"]): string[] =>
    list.map((address) => `${scheme}:${formatUdpAddress(address)}`);
  return [...of("turn", addresses.udp), ...of("turns", addresses.tls)].join(" ");
}
