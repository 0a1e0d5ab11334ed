import { flushCompileCache } from "node:module";
import type { Aead } from "@asterism/core/mesh";
import { pino } from "pino";
import { Agent } from "./agent.ts";
import type { RelayOfferOptions } from "./overlay/member-relay.ts";
import { hasAesInstructions } from "./platform/aes-instructions.ts";

export interface StartAgentOptions {
  readonly stateDir: string;
  readonly socketPath: string;
  /** `auto`: AES-256-GCM with peers that have AES instructions as well, where this machine has them. */
  readonly cipher: Cipher;
  /** Whether routers are asked to map the UDP ports of the links (PCP, NAT-PMP, UPnP). */
  readonly portMapping: boolean;
  /** `http://[user:password@]host:port`, or `none`; what the environment names if left out. */
  readonly proxy?: string;
  /** `HOST:PORT` at which Prometheus metrics are served over HTTP, to anybody who asks; nowhere if left out. */
  readonly metrics?: string;
  /** Runs a relay and offers it to the networks of this machine. */
  readonly relay: RelayOfferOptions | undefined;
}

type Cipher = "auto" | "chacha20-poly1305";

export interface RunningAgent {
  /** Resolves when the agent has stopped, after SIGTERM or SIGINT. */
  readonly stopped: Promise<void>;
}

/** How long a stop may take before the process ends anyway. */
const STOP_LIMIT_MS = 5_000;

/** Starts the agent of this process: logs to standard error, stops on SIGTERM and SIGINT. */
export async function startAgent(options: StartAgentOptions): Promise<RunningAgent> {
  const level = process.env["ASTERISM_LOG_LEVEL"] ?? "info";
  const logger = pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
  const aeads: Aead[] = options.cipher === "auto" && hasAesInstructions() ? ["aes-256-gcm"] : [];
  const { stateDir, socketPath, portMapping: mapPorts, metrics, relay, proxy } = options;
  const serveMetrics = metrics === undefined ? {} : { metrics };
  const agent = await Agent.start({ stateDir, socketPath, logger, aeads, mapPorts, relay, proxy, ...serveMetrics });
  // A daemon that is killed later would not write it.
  flushCompileCache();
  logger.info({ state: stateDir, socket: socketPath, aeads }, "agent is ready");
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  const stop = (signal: NodeJS.Signals): void => {
    logger.info({ signal }, "agent stops");
    setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref();
    void agent.stop().then(resolve);
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  return { stopped };
}
