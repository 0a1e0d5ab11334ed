import type { Host } from "../net/host.ts";

/**
 * Counts the data packets that a relay's clients send and get: WireGuard transport messages in ChannelData, longer than
 * a keepalive, on the way in and on the way out. Checks, handshakes and the relay's own protocol don't count.
 */
export class RelayWatch {
  readonly #host: Host;

  private constructor(host: Host) {
    this.#host = host;
  }

  static async start(host: Host): Promise<RelayWatch> {
    // Behind the UDP header: 4 bytes of ChannelData, then the type of a transport message. A keepalive has 32 bytes.
    const data = `@th,96,32 0x04000000 udp length > ${8 + 4 + 32}`;
    await host.nft(`
table inet relay_watch {
  counter data {}
  chain in {
    type filter hook prerouting priority raw;
    udp dport 3478 ${data} counter name data
  }
  chain out {
    type filter hook output priority raw;
    udp sport 3478 ${data} counter name data
  }
}
`);
    return new RelayWatch(host);
  }

  /** Data packets so far, each counted once on its way in and once on its way out. */
  async dataPackets(): Promise<number> {
    const { stdout } = await this.#host.exec(["nft", "--json", "list", "counter", "inet", "relay_watch", "data"]);
    const { nftables } = JSON.parse(stdout) as { nftables: readonly { counter?: { packets: number } }[] };
    return nftables.find(({ counter }) => counter !== undefined)?.counter?.packets ?? Number.NaN;
  }
}
