import type { AddressInfo } from "node:net";
import { AsterismError } from "@asterism/core/errors";
import fastify, { type FastifyInstance } from "fastify";
import type { Registry } from "prom-client";

/** Serves metrics in Prometheus' text format over HTTP, to anybody who reaches the address. */
export class MetricsServer {
  readonly #server: FastifyInstance;

  private constructor(server: FastifyInstance) {
    this.#server = server;
  }

  /** `address`: `HOST:PORT` or `[IPV6]:PORT`. @throws AsterismError `invalid-input`, `address-in-use`, `permission-denied` */
  static async start(address: string, registry: Registry): Promise<MetricsServer> {
    const { host, port } = parseAddress(address);
    const server = fastify({ logger: false, forceCloseConnections: true });
    server.get("/metrics", async (_request, reply) => {
      const text = await registry.metrics();
      return reply.header("cache-control", "no-store").type(registry.contentType).send(text);
    });
    try {
      await server.listen({ host, port });
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code === "EACCES" ? "permission-denied" : "address-in-use";
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new AsterismError(code, `metrics can't be served at ${address}: ${why}. Choose another --metrics.`, {
        cause,
      });
    }
    return new MetricsServer(server);
  }

  get port(): number {
    // SAFETY: a server that listens on a port has an address with a port.
    return (this.#server.server.address() as AddressInfo).port;
  }

  stop(): Promise<void> {
    return this.#server.close();
  }
}

function parseAddress(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text.trim());
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) {
    throw new AsterismError("invalid-input", `"${text}" is no address for metrics. Write it as 127.0.0.1:9465`);
  }
  return { host, port };
}
