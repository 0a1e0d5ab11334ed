import type { CreateRelayRequest } from "@asterism/core/control";
import { Command, InvalidArgumentError, Option } from "commander";
import { type AdminOptions, adminCommand, printDone, printList, printOne, withAdmin } from "./admin-options.ts";

/** A port, or that there is none. (Not null: commander takes that for an option without a value.) */
type PortOption = number | "none";

interface AddOptions extends AdminOptions {
  readonly network?: string;
  readonly secret?: string;
  readonly username?: string;
  readonly password?: string;
  readonly tcpPort?: PortOption;
  readonly tlsPort?: PortOption;
}

interface NetworkOptions extends AdminOptions {
  readonly network?: string;
}

export function createRelayCommand(): Command {
  return new Command("relay")
    .description("relays (TURN servers) that a network's devices may use")
    .addCommand(createAddCommand())
    .addCommand(
      adminCommand("list", "list the relays")
        .option("--network <net>", "only those of this network")
        .action((options: NetworkOptions) =>
          withAdmin(options, async (client) => {
            const header = ["HOST", "NETWORK", "UDP", "TCP", "TLS", "LOGIN", "ADDRESSES", "ID"];
            printList(await client.listRelays(options.network), options, header, (relay) => [
              relay.host,
              relay.network ?? "all",
              String(relay.ports.udp ?? "–"),
              String(relay.ports.tcp ?? "–"),
              String(relay.ports.tls ?? "–"),
              relay.username ?? "by secret",
              relay.addresses.join(", ") || "unresolved",
              relay.id,
            ]);
          }),
        ),
    )
    .addCommand(
      adminCommand("remove", "take a relay from its network; devices that use it change to another at once")
        .argument("<relay>", "host or id, see: asterism admin relay list")
        .option("--network <net>", "network of the relay")
        .action((relay: string, options: NetworkOptions) =>
          withAdmin(options, async (client) => {
            await client.removeRelay(relay, options.network);
            printDone(`relay ${relay} removed`, { removed: relay }, options);
          }),
        ),
    );
}

function createAddCommand(): Command {
  return adminCommand("add", "let a network use a relay: a TURN server such as `asterism relay` or coturn")
    .argument("<host[:port]>", "name or address, and port for UDP and TCP (default: 3478)", parseHostPort)
    .option("--network <net>", "network that may use it (default: default)")
    .addOption(
      new Option("--secret <secret>", "secret that it makes time-limited credentials from").env(
        "ASTERISM_RELAY_SECRET",
      ),
    )
    .option("--username <user>", "user for all devices, where the relay has no secret")
    .addOption(new Option("--password <password>", "password of that user").env("ASTERISM_RELAY_PASSWORD"))
    .option("--tcp-port <port>", "port for TCP, or none (default: that for UDP)", parsePort)
    .option("--tls-port <port>", "port for TLS (default: none)", parsePort)
    .action((place: HostPort, options: AddOptions) =>
      withAdmin(options, async (client) => {
        printOne(await client.addRelay(toRequest(place, options)), options);
      }),
    );
}

function toRequest({ host, port }: HostPort, options: AddOptions): CreateRelayRequest {
  const { network, secret, username, password, tcpPort, tlsPort } = options;
  return {
    host,
    ...(port === undefined ? {} : { udpPort: port }),
    ...(tcpPort === undefined ? {} : { tcpPort: portOrNull(tcpPort) }),
    ...(tlsPort === undefined ? {} : { tlsPort: portOrNull(tlsPort) }),
    ...(network === undefined ? {} : { network }),
    ...(secret === undefined ? {} : { secret }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
}

interface HostPort {
  readonly host: string;
  readonly port: number | undefined;
}

/** Reads `host`, `host:port`, an address of either family, `[IPv6]:port`. */
function parseHostPort(text: string): HostPort {
  const bracketed = /^\[([^[\]]+)\](?::([0-9]+))?$/.exec(text);
  const plain = /^([^:[\]]+)(?::([0-9]+))?$/.exec(text);
  const [, host, port] = bracketed ?? plain ?? [];
  if (host !== undefined) return { host, port: port === undefined ? undefined : checkPort(port) };
  // An IPv6 address without brackets has no port.
  if (/^[0-9a-fA-F:.]+$/.test(text)) return { host: text, port: undefined };
  throw new InvalidArgumentError("Write it as HOST, HOST:PORT or [IPV6]:PORT.");
}

function parsePort(text: string): PortOption {
  return text === "none" ? text : checkPort(text);
}

function checkPort(text: string): number {
  const port = Number(text);
  if (/^[0-9]{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError("A port is a number from 1 to 65535.");
}

function portOrNull(port: PortOption): number | null {
  return port === "none" ? null : port;
}
