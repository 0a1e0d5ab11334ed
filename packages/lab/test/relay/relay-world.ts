import { type ExecResult, Lab, type LabProcess } from "../../src/index.ts";
import type { Host } from "../../src/net/host.ts";
import { ASTERISM_COMMAND, warmUp } from "../../src/product/asterism-command.ts";

export const SECRET = "a secret of the lab";

/** `asterism relay` on a host with two public addresses, a client and a peer, all on the lab's internet. */
export class RelayWorld implements AsyncDisposable {
  readonly lab: Lab;
  readonly relayHost: Host;
  /** The relay's two addresses. */
  readonly addresses: readonly [string, string];
  readonly client: Host;
  readonly peer: Host;
  readonly relay: LabProcess;
  #users = 0;

  private constructor(lab: Lab, hosts: { relay: Host; client: Host; peer: Host }, relay: LabProcess) {
    this.lab = lab;
    this.relayHost = hosts.relay;
    const [first, second] = hosts.relay.attachments.map(({ ipv4 }) => ipv4 ?? "");
    this.addresses = [first ?? "", second ?? ""];
    this.client = hosts.client;
    this.peer = hosts.peer;
    this.relay = relay;
  }

  static async create(tag: string, args: readonly string[] = []): Promise<RelayWorld> {
    const lab = Lab.create(tag);
    try {
      const internet = await lab.internet();
      const relayHost = await internet.host("relay");
      await internet.attach(relayHost, { ipv6: false });
      const client = await internet.host("client");
      const peer = await internet.host("peer");
      await warmUp(relayHost);
      const tls = await selfSigned(relayHost);
      const argv = [ASTERISM_COMMAND, "relay", "--secret", SECRET, "--tls-listen", "[::]:5349", ...tls, ...args];
      const relay = relayHost.spawn(argv);
      await relay.waitForOutput(/^ready: /m, { timeoutMs: 20_000 });
      peer.spawn(["turnutils_peer", "-L", peer.ipv4]);
      peer.spawn(["turnutils_peer", "-L", peer.ipv6]);
      return new RelayWorld(lab, { relay: relayHost, client, peer }, relay);
    } catch (error: unknown) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * coturn's load generator against the relay, each run with a user (and quota) of its own; the peer echoes.
   *
   * Each of its clients binds two peers to channels that it draws at random, so that one in 16,384 asks for the same
   * channel twice, is refused as it must be, and gives up: such a run is repeated, once.
   */
  async uclient(args: readonly string[], options: { peer?: string; secret?: string } = {}): Promise<ExecResult> {
    const run = (): Promise<ExecResult> =>
      this.client.exec(this.uclientArgv(args, options), { allowFailure: true, timeoutMs: 60_000 });
    const result = await run();
    return `${result.stdout}${result.stderr}`.includes("channel bind: error 400") ? await run() : result;
  }

  uclientArgv(args: readonly string[], options: { peer?: string; secret?: string } = {}): string[] {
    const credentials = ["-W", options.secret ?? SECRET, "-u", `user${++this.#users}`];
    const peer = options.peer ?? this.peer.ipv4;
    return ["turnutils_uclient", ...credentials, "-e", peer, ...args, this.addresses[0]];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
  }
}

/** A certificate that nobody vouches for, as options of `asterism relay`. */
export async function selfSigned(host: Host): Promise<string[]> {
  const folder = await host.folder("tls");
  const [key, certificate] = [`${folder}/key.pem`, `${folder}/certificate.pem`];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await host.exec(["openssl", "req", "-x509", ...curve, "-keyout", key, "-out", certificate, "-subj", "/CN=relay"]);
  return ["--tls-cert", certificate, "--tls-key", key];
}

/** What `turnutils_uclient` has counted at its end. */
export function readUclient({ stdout, stderr }: ExecResult): { sent: number; received: number; lost: number } {
  const text = `${stdout}${stderr}`;
  const last = (pattern: RegExp): number => Number([...text.matchAll(pattern)].at(-1)?.[1] ?? Number.NaN);
  return {
    sent: last(/tot_send_msgs=(\d+)/g),
    received: last(/tot_recv_msgs=(\d+)/g),
    lost: last(/Total lost packets (\d+)/g),
  };
}
