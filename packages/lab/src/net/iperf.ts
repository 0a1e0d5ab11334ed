import type { Host } from "./host.ts";
import { LabError } from "./lab-error.ts";

export interface IperfOptions {
  /** Address of the server as the client sees it. */
  readonly address: string;
  readonly seconds?: number;
  readonly flows?: number;
  /** The server sends. */
  readonly reverse?: boolean;
  readonly congestion?: string;
}

export interface TcpResult {
  /** Payload that arrived. */
  readonly bitsPerSecond: number;
  readonly retransmits: number;
}

export interface UdpOptions {
  readonly address: string;
  readonly seconds?: number;
  readonly payloadBytes: number;
  /** 0: as fast as the sender can. */
  readonly rateMbit?: number;
}

export interface UdpResult {
  readonly receivedPerSecond: number;
  readonly sentPerSecond: number;
  readonly lossRatio: number;
  readonly reordered: number;
}

interface IperfReport {
  readonly error?: string;
  readonly end?: {
    readonly sum_sent?: { readonly retransmits?: number; readonly packets?: number; readonly seconds?: number };
    readonly sum_received?: {
      readonly bits_per_second?: number;
      readonly packets?: number;
      readonly lost_packets?: number;
      readonly seconds?: number;
    };
  };
  /** What the server printed, with `--get-server-output`. */
  readonly server_output_text?: string;
}

let nextPort = 20_000;

/** TCP payload rate from client to server (or back) by iperf3. */
export async function measureTcp(server: Host, client: Host, options: IperfOptions): Promise<TcpResult> {
  const extra = ["-P", String(options.flows ?? 1)];
  if (options.reverse === true) extra.push("-R");
  if (options.congestion !== undefined) extra.push("-C", options.congestion);
  const report = await runIperf(server, client, options.address, options.seconds ?? 3, extra);
  return {
    bitsPerSecond: report.end?.sum_received?.bits_per_second ?? 0,
    retransmits: report.end?.sum_sent?.retransmits ?? 0,
  };
}

/** UDP packets per second that arrive, by iperf3. */
export async function measureUdp(server: Host, client: Host, options: UdpOptions): Promise<UdpResult> {
  const extra = ["-u", "-l", String(options.payloadBytes), "-b", `${options.rateMbit ?? 0}M`, "--get-server-output"];
  const report = await runIperf(server, client, options.address, options.seconds ?? 3, extra);
  const sent = report.end?.sum_sent;
  const received = report.end?.sum_received;
  const seconds = sent?.seconds ?? received?.seconds ?? 1;
  const total = received?.packets ?? 0;
  const lost = received?.lost_packets ?? 0;
  return {
    receivedPerSecond: (total - lost) / seconds,
    sentPerSecond: (sent?.packets ?? 0) / seconds,
    lossRatio: total === 0 ? 1 : lost / total,
    reordered: Number(/(\d+) datagrams? received out-of-order/.exec(report.server_output_text ?? "")?.[1] ?? 0),
  };
}

async function runIperf(
  server: Host,
  client: Host,
  address: string,
  seconds: number,
  extra: readonly string[],
): Promise<IperfReport> {
  const port = String(nextPort++);
  const listening = server.spawn(["iperf3", "-s", "-1", "-p", port, "-B", address, "--forceflush"]);
  try {
    await listening.waitForOutput(/Server listening/);
    const argv = [
      "iperf3",
      "-c",
      address,
      "-p",
      port,
      "-t",
      String(seconds),
      "-J",
      "--connect-timeout",
      "5000",
      ...extra,
    ];
    const result = await client.exec(argv, { timeoutMs: (seconds + 20) * 1e3, allowFailure: true });
    const report = JSON.parse(result.stdout || "{}") as IperfReport;
    if (report.error !== undefined || report.end === undefined) {
      throw new LabError(`iperf3 from ${client.name} to ${address}: ${report.error ?? result.stderr}`);
    }
    return report;
  } finally {
    listening.kill("SIGKILL");
    await listening.exited;
  }
}
