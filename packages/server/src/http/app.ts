import type { Server as HttpServer } from "node:http";
import type { Server as HttpsServer } from "node:https";
import { AsterismError } from "@asterism/core/errors";
import fastify, { type FastifyInstance } from "fastify";
import type { Certificate } from "../certificate.ts";
import type { ServerContext } from "../context.ts";
import type { BucketLimits } from "../domain/token-bucket.ts";
import type { StreamHub } from "../streams/hub.ts";
import { addAdminRoutes } from "./admin-routes.ts";
import { addJoinRoutes } from "./join-routes.ts";
import { createErrorHandler, sendProblem } from "./problem-answer.ts";
import { TURN_ALPN } from "./turn-connections.ts";
import { addWelcomePage } from "./welcome-page.ts";

const MAX_BODY_BYTES = 64 * 1024;
const TLS_HANDSHAKE_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 25_000;
const LIMITS = {
  bodyLimit: MAX_BODY_BYTES,
  /** A whole request must be in within this time: slow senders don't hold connections. */
  requestTimeout: 15_000,
  keepAliveTimeout: 10_000,
  routerOptions: { maxParamLength: 128 },
  logger: false,
} as const;

/** What the world reaches, over HTTPS. */
export function createPublicApp(
  context: ServerContext,
  hub: StreamHub,
  certificate: Certificate,
  joinLimits: BucketLimits | undefined,
): FastifyInstance<HttpsServer> {
  const app = fastify({
    ...LIMITS,
    https: {
      key: certificate.keyPem,
      cert: certificate.certificatePem,
      ALPNProtocols: context.ownRelay === null ? ["http/1.1"] : ["http/1.1", TURN_ALPN],
      handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS,
    },
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  // Handshakes that fail are the other side's affair; a socket error without a listener would end the process.
  app.server.on("tlsClientError", (_error, socket) => socket.destroy());
  const plain = app as unknown as FastifyInstance; // SAFETY: routes don't see the difference between the two servers
  finishApp(plain, context);
  addWelcomePage(plain, context.identity);
  app.get("/healthz", () => ({ status: "ok" }));
  addJoinRoutes(plain, context, hub, joinLimits);
  addAdminRoutes(plain, { context, hub, access: "token" });
  return app;
}

/** What an administrator on this machine reaches, over a unix socket. */
export function createAdminApp(context: ServerContext, hub: StreamHub): FastifyInstance<HttpServer> {
  const app = fastify(LIMITS);
  finishApp(app, context);
  addAdminRoutes(app, { context, hub, access: "socket" });
  addMetricsRoute(app, context);
  return app;
}

/** What a Prometheus server reaches, over HTTP. */
export function createMetricsApp(context: ServerContext): FastifyInstance<HttpServer> {
  const app = fastify(LIMITS);
  finishApp(app, context);
  addMetricsRoute(app, context);
  return app;
}

/** Prometheus' text format. */
function addMetricsRoute(app: FastifyInstance, { metrics: { registry } }: ServerContext): void {
  app.get("/metrics", async (_request, reply) => {
    const text = await registry.metrics();
    return reply.header("cache-control", "no-store").type(registry.contentType).send(text);
  });
}

function finishApp(app: FastifyInstance, context: ServerContext): void {
  app.setErrorHandler(createErrorHandler(context.log));
  app.setNotFoundHandler((_request, reply) => {
    sendProblem(reply, new AsterismError("not-found", "There is nothing at this address."));
  });
}
