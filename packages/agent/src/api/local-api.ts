import { chmodSync, existsSync, mkdirSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { AsterismError, isAsterismError, PROBLEM_CONTENT_TYPE, toProblem } from "@asterism/core/errors";
import {
  type AgentStatus,
  ExplainBody,
  type JoinAnswer,
  JoinBody,
  type LinksAnswer,
  LinksBody,
  type ModeAnswer,
  ModeBody,
  type NetcheckAnswer,
  NetworkBody,
  type NetworksAnswer,
  type PeerExplanation,
  type PingAnswer,
  PingBody,
} from "@asterism/core/local-api";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";

const MAX_BODY_BYTES = 64 * 1024;
const OWNER_ONLY = 0o600;

/** What the local API can ask of the agent. */
export interface LocalApiActions {
  status(): Promise<AgentStatus>;
  join(body: JoinBody): Promise<JoinAnswer>;
  leave(body: NetworkBody): Promise<NetworksAnswer>;
  up(body: NetworkBody): Promise<NetworksAnswer>;
  down(body: NetworkBody): Promise<NetworksAnswer>;
  links(): Promise<LinksAnswer>;
  setLinks(body: LinksBody): Promise<LinksAnswer>;
  mode(body: ModeBody): Promise<ModeAnswer>;
  explain(body: ExplainBody, signal: AbortSignal): Promise<PeerExplanation>;
  netcheck(signal: AbortSignal): Promise<NetcheckAnswer>;
  ping(body: PingBody, signal: AbortSignal): Promise<PingAnswer>;
}

/** HTTP on a unix socket that only the agent's user may open: whoever can connect may do everything. */
export class LocalApi {
  readonly #server: FastifyInstance;
  readonly #socketPath: string;

  private constructor(server: FastifyInstance, socketPath: string) {
    this.#server = server;
    this.#socketPath = socketPath;
  }

  /** @throws AsterismError `address-in-use` if another agent answers at the socket, `permission-denied`. */
  static async start(socketPath: string, actions: LocalApiActions): Promise<LocalApi> {
    await claimSocketPath(socketPath);
    const server = fastify({
      bodyLimit: MAX_BODY_BYTES,
      logger: false,
      forceCloseConnections: true,
      // A misspelt or mistyped field is the caller's mistake to hear of, not to be mended silently.
      ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
    });
    server.setErrorHandler((error, _request, reply) => sendProblem(reply, error));
    server.setNotFoundHandler((_request, reply) =>
      sendProblem(reply, new AsterismError("not-found", "the local API has no such resource")),
    );
    addRoutes(server, actions);
    const formerMask = process.umask(0o177);
    try {
      await server.listen({ path: socketPath });
    } catch (cause) {
      throw new AsterismError("permission-denied", `can't listen at ${socketPath}: ${String(cause)}`, { cause });
    } finally {
      process.umask(formerMask);
    }
    chmodSync(socketPath, OWNER_ONLY);
    return new LocalApi(server, socketPath);
  }

  async stop(): Promise<void> {
    await this.#server.close();
    if (existsSync(this.#socketPath)) unlinkSync(this.#socketPath);
  }
}

function addRoutes(server: FastifyInstance, actions: LocalApiActions): void {
  server.get("/v1/status", () => actions.status());
  server.post<{ Body: JoinBody }>("/v1/join", { schema: { body: JoinBody } }, ({ body }) => actions.join(body));
  server.post<{ Body: NetworkBody }>("/v1/leave", { schema: { body: NetworkBody } }, ({ body }) => actions.leave(body));
  server.post<{ Body: NetworkBody }>("/v1/up", { schema: { body: NetworkBody } }, ({ body }) => actions.up(body));
  server.post<{ Body: NetworkBody }>("/v1/down", { schema: { body: NetworkBody } }, ({ body }) => actions.down(body));
  server.get("/v1/links", () => actions.links());
  server.post<{ Body: LinksBody }>("/v1/links", { schema: { body: LinksBody } }, ({ body }) => actions.setLinks(body));
  server.post<{ Body: PingBody }>("/v1/ping", { schema: { body: PingBody } }, (request) => {
    return actions.ping(request.body, goneSignal(request));
  });
  server.post<{ Body: ModeBody }>("/v1/mode", { schema: { body: ModeBody } }, ({ body }) => actions.mode(body));
  server.post<{ Body: ExplainBody }>("/v1/explain", { schema: { body: ExplainBody } }, (request) =>
    actions.explain(request.body, goneSignal(request)),
  );
  server.post("/v1/netcheck", (request) => actions.netcheck(goneSignal(request)));
}

/** Aborted when the caller has gone away. */
function goneSignal({ raw }: FastifyRequest): AbortSignal {
  const gone = new AbortController();
  raw.socket.once("close", () => gone.abort());
  return gone.signal;
}

function sendProblem(reply: FastifyReply, error: unknown): FastifyReply {
  const known = toAsterismError(error);
  return reply.code(known.httpStatus).type(PROBLEM_CONTENT_TYPE).send(toProblem(known));
}

function toAsterismError(error: unknown): AsterismError {
  if (isAsterismError(error)) return error;
  const { statusCode, message } = error as { statusCode?: number; message?: string };
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new AsterismError("invalid-input", message ?? "the request is malformed", { cause: error });
  }
  return new AsterismError("internal", message ?? String(error), { cause: error });
}

/** Makes room for the socket: removes one that a dead agent left, refuses one that answers. */
async function claimSocketPath(socketPath: string): Promise<void> {
  mkdirSync(dirname(socketPath), { recursive: true, mode: 0o755 });
  if (!existsSync(socketPath)) return;
  if (await answers(socketPath)) {
    throw new AsterismError(
      "address-in-use",
      `another agent answers at ${socketPath}. Stop it, or start this one with another --socket (and --state).`,
    );
  }
  unlinkSync(socketPath);
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
