/** Runs iperf3 between two namespaces, bounded in time. */
import { spawn } from "node:child_process";
import { inNamespace, type Side } from "./netns-pair.ts";

export interface IperfResult {
  readonly bitsPerSecond: number;
  readonly packetsPerSecond: number;
  readonly lostRatio: number;
}

export interface IperfOptions {
  readonly seconds: number;
  readonly parallel?: number;
  readonly reverse?: boolean;
  /** Payload bytes of each UDP packet; TCP if not set. */
  readonly udpPayloadBytes?: number;
  /** UDP only; unlimited if not set. */
  readonly bitsPerSecond?: number;
}

interface IperfSum {
  readonly bits_per_second: number;
  readonly packets?: number;
  readonly lost_packets?: number;
  readonly seconds: number;
}

/** A server in `to`, a client in `from`; resolves with what the receiving side got. */
export async function iperf(from: Side, to: Side, address: string, options: IperfOptions): Promise<IperfResult> {
  const server = spawn("ip", ["netns", "exec", to.namespace, "iperf3", "-s", "-1", "--forceflush"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  await new Promise<void>((resolve) => server.stdout.once("data", () => resolve()));
  const parameters = ["-c", address, "-t", String(options.seconds), "-J"];
  if (options.parallel !== undefined) parameters.push("-P", String(options.parallel));
  if (options.reverse === true) parameters.push("-R");
  if (options.udpPayloadBytes !== undefined) {
    parameters.push("-u", "-b", String(options.bitsPerSecond ?? 0), "-l", String(options.udpPayloadBytes));
  }
  try {
    const text = inNamespace(from.namespace, "iperf3", ...parameters);
    return read(text, options);
  } finally {
    server.kill();
  }
}

function read(text: string, options: IperfOptions): IperfResult {
  // SAFETY: iperf3 -J prints this shape for the kind of test that was asked for.
  const { end } = JSON.parse(text) as { end: { sum?: IperfSum; sum_received?: IperfSum } };
  const sum = options.udpPayloadBytes === undefined ? end.sum_received : end.sum;
  if (sum === undefined) throw new Error(`iperf3 gave no result: ${text.slice(0, 500)}`);
  const packets = sum.packets ?? 0;
  const lost = sum.lost_packets ?? 0;
  return {
    bitsPerSecond: sum.bits_per_second,
    packetsPerSecond: (packets - lost) / sum.seconds,
    lostRatio: packets === 0 ? 0 : lost / packets,
  };
}
