/** A tunnel between our WireGuard and Debian's wireguard-go, each on a host of its own. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestContext } from "vitest";
import { execute, type Host, Lab, type LabProcess } from "../../src/index.ts";
import type { WireguardEndConfig } from "./wireguard-end.ts";

const END_PROGRAM = fileURLToPath(new URL("./wireguard-end.ts", import.meta.url));
const PORT = 51_820;
const OUR_INTERFACE = "ours0";

export interface TunnelOptions {
  /** Family of the addresses that the tunnel's own packets have. */
  readonly outer?: 4 | 6;
  /** Both ends' preshared keys in base64. */
  readonly presharedKeys?: { readonly ours: string; readonly theirs: string };
  /** Who knows where the other is from the start; default both. */
  readonly knows?: "ours" | "theirs" | "both";
}

let tunnels = 0;

export class WireguardTunnel implements AsyncDisposable {
  readonly lab: Lab;
  readonly ours: Host;
  readonly theirs: Host;
  readonly addresses = {
    ours: { ipv4: "10.88.0.1", ipv6: "fd88::1" },
    theirs: { ipv4: "10.88.0.2", ipv6: "fd88::2" },
  } as const;
  #end: LabProcess | undefined;
  #daemon: LabProcess | undefined;
  /** The daemon's socket has its name, in a folder of the machine. */
  readonly #device = `wgi${process.pid}_${++tunnels}`;
  #ourKey = "";
  readonly #options: TunnelOptions;

  private constructor(lab: Lab, ours: Host, theirs: Host, options: TunnelOptions) {
    this.lab = lab;
    this.ours = ours;
    this.theirs = theirs;
    this.#options = options;
  }

  /** Logs are shown when the test fails. */
  static async create(
    onTestFailed: TestContext["onTestFailed"],
    options: TunnelOptions = {},
  ): Promise<WireguardTunnel> {
    const lab = Lab.create("wginterop");
    try {
      const lan = await lab.lan("lan");
      const [ours, theirs] = await Promise.all([lan.host("ours"), lan.host("theirs")]);
      const tunnel = new WireguardTunnel(lab, ours, theirs, options);
      onTestFailed(() => {
        process.stderr.write([tunnel.#end, tunnel.#daemon].map((one) => one?.describe() ?? "").join("\n"));
      });
      await tunnel.#start();
      return tunnel;
    } catch (error: unknown) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Tells our end something; see wireguard-end.ts. */
  tell(command: string): void {
    this.#end?.write(`${command}\n`);
  }

  /** Waits until our end has reported `event` `times` times, with this text somewhere in its lines. */
  async reported(event: string, detail = "", times = 1, timeoutMs = 10_000): Promise<void> {
    const line = `[^\\n]*"event":"${event}"[^\\n]*${detail}[^\\n]*\\n`;
    await this.#end?.waitForOutput(new RegExp(`(?:${line}[^]*){${times}}`), { timeoutMs });
  }

  /** How often our end has reported it so far. */
  count(event: string, detail = ""): number {
    const lines = this.#end?.stdout.split("\n") ?? [];
    return lines.filter((line) => line.includes(`"event":"${event}"`) && line.includes(detail)).length;
  }

  get daemonLog(): string {
    return `${this.#daemon?.stdout ?? ""}${this.#daemon?.stderr ?? ""}`;
  }

  /** What `wg` knows of us: endpoint, and seconds since 1970 of the last handshake. */
  async shown(): Promise<{ endpoint: string; latestHandshake: number }> {
    const { stdout } = await this.theirs.exec(["wg", "show", this.#device, "dump"]);
    const fields = stdout.split("\n")[1]?.split("\t") ?? [];
    return { endpoint: fields[2] ?? "", latestHandshake: Number(fields[4] ?? 0) };
  }

  async configureDaemon(...settings: readonly string[]): Promise<void> {
    await this.theirs.exec(["wg", "set", this.#device, ...settings]);
  }

  /** Takes us out of wireguard-go's peers, which forgets every session, and puts us back in. */
  async forgetUs(): Promise<void> {
    await this.configureDaemon("peer", this.#ourKey, "remove");
    await this.#addUs();
  }

  async setTheirPresharedKey(key: string): Promise<void> {
    await this.configureDaemon("peer", this.#ourKey, "preshared-key", await this.#file("psk", key));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
  }

  async #start(): Promise<void> {
    const [ourPrivate, theirPrivate] = await Promise.all([genkey(), genkey()]);
    const [ourKey, theirKey] = await Promise.all([pubkey(ourPrivate), pubkey(theirPrivate)]);
    this.#ourKey = ourKey;
    await Promise.all([this.#startDaemon(theirPrivate), this.#startEnd(ourPrivate, theirKey)]);
    await Promise.all([
      this.ours.ip(interfaceLines(OUR_INTERFACE, this.addresses.ours)),
      this.theirs.ip(interfaceLines(this.#device, this.addresses.theirs)),
    ]);
  }

  async #startEnd(privateKey: string, peerKey: string): Promise<void> {
    const { knows, presharedKeys } = this.#options;
    const { ipv4, ipv6 } = this.addresses.theirs;
    const config: WireguardEndConfig = {
      interfaceName: OUR_INTERFACE,
      privateKey,
      port: PORT,
      peerKey,
      allowedIps: [`${ipv4}/32`, `${ipv6}/128`],
      ...(presharedKeys === undefined ? {} : { presharedKey: presharedKeys.ours }),
      ...(knows === "theirs" ? {} : { endpoint: { address: this.#outer(this.theirs), port: PORT } }),
    };
    this.#end = this.ours.spawn([process.execPath, END_PROGRAM, JSON.stringify(config)], { keepStdin: true });
    await this.reported("ready");
  }

  async #startDaemon(privateKey: string): Promise<void> {
    const env = { LOG_LEVEL: "verbose" };
    this.#daemon = this.theirs.spawn(["wireguard-go", "-f", this.#device], { env });
    await this.#daemon.waitForOutput(/UAPI listener started/);
    await this.configureDaemon("listen-port", String(PORT), "private-key", await this.#file("key", privateKey));
    await this.#addUs();
  }

  async #addUs(): Promise<void> {
    const { knows, presharedKeys } = this.#options;
    const { ipv4, ipv6 } = this.addresses.ours;
    const settings = ["peer", this.#ourKey, "allowed-ips", `${ipv4}/32,${ipv6}/128`];
    if (presharedKeys !== undefined) settings.push("preshared-key", await this.#file("psk", presharedKeys.theirs));
    const outer = this.#outer(this.ours);
    if (knows !== "ours") settings.push("endpoint", outer.includes(":") ? `[${outer}]:${PORT}` : `${outer}:${PORT}`);
    await this.configureDaemon(...settings);
  }

  #outer(host: Host): string {
    return this.#options.outer === 6 ? host.ipv6 : host.ipv4;
  }

  async #file(name: string, content: string): Promise<string> {
    const path = join(await this.theirs.folder("wireguard"), name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  }
}

export async function genkey(): Promise<string> {
  return (await execute(["wg", "genkey"])).stdout.trim();
}

async function pubkey(privateKey: string): Promise<string> {
  return (await execute(["wg", "pubkey"], { input: privateKey })).stdout.trim();
}

function interfaceLines(name: string, { ipv4, ipv6 }: { readonly ipv4: string; readonly ipv6: string }): string[] {
  return [`addr add ${ipv4}/24 dev ${name}`, `addr add ${ipv6}/64 dev ${name} nodad`, `link set ${name} mtu 1420 up`];
}
