/**
 * What a thousand configured peers cost: memory each, and TCP throughput between two of them relative to a
 * device that has no others.
 *
 *   node packages/engine/test/bench/peers.ts [--rounds 3] [--seconds 3] [--peers 1000]
 */
import { parseArgs } from "node:util";
import { iperf } from "../iperf.ts";
import { NetnsPair } from "../netns-pair.ts";
import { sessionOf, TunnelPair } from "../tunnel-pair.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    peers: { type: "string", default: "1000" },
  },
});
const peers = Number(flags.peers);

/** Peers with an address of each family, a path and a session, on both ends. */
async function crowd(tunnel: TunnelPair): Promise<number> {
  const before = (await tunnel.a.engine.footprint()).residentBytes;
  for (const [name, end] of [["a", tunnel.a] as const, ["b", tunnel.b] as const]) {
    for (let i = 0; i < peers; i++) {
      const peer = await end.engine.call("addPeer");
      await end.engine.call("setAllowedIps", peer, [`100.65.${i >> 8}.${i & 255}/32`, `fd65::${i.toString(16)}/128`]);
      const remote = { address: "192.0.2.1", port: 1000 + i };
      const path = { linkId: end.link.id, remote, channel: null, relayed: false, weight: 1, mtuBytes: 0 };
      await end.engine.call("setPaths", peer, [path], "best");
      await end.engine.call("installSession", peer, sessionOf(name, i + 1));
    }
  }
  return ((await tunnel.a.engine.footprint()).residentBytes - before) / peers;
}

const pair = new NetnsPair("peers");
try {
  for (let round = 0; round < Number(flags.rounds); round++) {
    const few = await TunnelPair.open(pair);
    const alone = await iperf(few.a.side, few.b.side, few.b.overlay4, { seconds: Number(flags.seconds) });
    await few.close();
    const many = await TunnelPair.open(pair);
    const bytesEach = await crowd(many);
    const crowded = await iperf(many.a.side, many.b.side, many.b.overlay4, { seconds: Number(flags.seconds) });
    await many.close();
    process.stdout.write(
      `${(crowded.bitsPerSecond / 1e9).toFixed(2)} of ${(alone.bitsPerSecond / 1e9).toFixed(2)} Gbit/s ` +
        `(${((100 * crowded.bitsPerSecond) / alone.bitsPerSecond).toFixed(0)} %), ${bytesEach.toFixed(0)} bytes per peer\n`,
    );
  }
} finally {
  pair.remove();
}
