/**
 * What floods cost a running transfer: TCP through the tunnel while datagrams of one kind hit the receiver's
 * port, relative to the same transfer while the same datagrams hit a port that nobody reads.
 *
 *   make -C packages/engine/native flood
 *   node packages/engine/test/bench/floods.ts [--rounds 2] [--seconds 3] [--rate 50000]
 */
import { spawn } from "node:child_process";
import { createCipheriv } from "node:crypto";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { iperf } from "../iperf.ts";
import { NetnsPair } from "../netns-pair.ts";
import { sessionOf, TunnelPair } from "../tunnel-pair.ts";

const PROGRAM = fileURLToPath(new URL("../../native/build/flood", import.meta.url));
const DISCARD_PORT = 9;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "2" },
    seconds: { type: "string", default: "3" },
    rate: { type: "string", default: "50000" },
  },
});
const seconds = Number(flags.seconds);

const floods: readonly (readonly [name: string, kind: string, hex: string])[] = [
  ["handshake rubbish", "handshake", ""],
  ["unknown index", "unknown", ""],
  ["replayed packet", "fixed", transportPacket(5n).toString("hex")],
  ["STUN requests", "fixed", `000100002112a442${"00".repeat(12)}`],
];

/** An empty packet that `a` might have sent with this counter: genuine once, a replay ever after. */
function transportPacket(counter: bigint): Buffer {
  const session = sessionOf("a");
  const header = Buffer.alloc(16);
  header[0] = 4;
  header.writeUInt32LE(session.remoteIndex, 4);
  header.writeBigUInt64LE(counter, 8);
  const nonce = Buffer.concat([Buffer.alloc(4), header.subarray(8)]);
  const cipher = createCipheriv("chacha20-poly1305", session.sendKey, nonce, { authTagLength: 16 });
  return Buffer.concat([header, cipher.final(), cipher.getAuthTag()]);
}

interface Measured {
  readonly gbps: number;
  readonly residentBytes: number;
}

async function measure(tunnel: TunnelPair, port: number, kind: string, hex: string): Promise<Measured> {
  const { a, b } = tunnel;
  const parameters = [b.side.ipv4, String(port), kind, flags.rate, String(seconds + 1), hex];
  const flood = spawn("ip", ["netns", "exec", a.side.namespace, PROGRAM, ...parameters], { stdio: "ignore" });
  const ended = new Promise((resolve) => flood.once("exit", resolve));
  const result = await iperf(a.side, b.side, b.overlay4, { seconds });
  await ended;
  return { gbps: result.bitsPerSecond / 1e9, residentBytes: (await b.engine.footprint()).residentBytes };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const pair = new NetnsPair("flood");
try {
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const [name, kind, hex] of floods) {
      const tunnel = await TunnelPair.open(pair);
      const beside = await measure(tunnel, DISCARD_PORT, kind, hex);
      const into = await measure(tunnel, tunnel.b.link.port, kind, hex);
      const drops = await tunnel.b.engine.call("readDrops");
      await tunnel.close();
      const growth = (into.residentBytes - beside.residentBytes) / 1e6;
      print(
        `${name.padEnd(18)} ${into.gbps.toFixed(2)} of ${beside.gbps.toFixed(2)} Gbit/s ` +
          `(${((100 * into.gbps) / beside.gbps).toFixed(0)} %), memory ${growth.toFixed(1)} MB more, ${JSON.stringify(drops)}`,
      );
    }
  }
} finally {
  pair.remove();
}
