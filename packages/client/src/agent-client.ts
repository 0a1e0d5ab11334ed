import { request } from "node:http";
import { AsterismError, fromProblem } from "@asterism/core/errors";
import type {
  AgentStatus,
  ExplainBody,
  JoinAnswer,
  JoinBody,
  LinksAnswer,
  LinksBody,
  ModeAnswer,
  ModeBody,
  NetcheckAnswer,
  NetworkBody,
  NetworksAnswer,
  PeerExplanation,
  PingAnswer,
  PingBody,
} from "@asterism/core/local-api";

/** Where the agent of this machine listens unless told otherwise. */
export const DEFAULT_AGENT_SOCKET = "/run/asterism/agent.sock";

/** Typed client of the agent's local API on its unix socket. Every method throws `AsterismError`. */
export class AgentClient {
  readonly #socketPath: string;

  constructor(socketPath: string = DEFAULT_AGENT_SOCKET) {
    this.#socketPath = socketPath;
  }

  status(): Promise<AgentStatus> {
    return this.#call("GET", "/v1/status");
  }

  join(body: JoinBody): Promise<JoinAnswer> {
    return this.#call("POST", "/v1/join", body);
  }

  leave(body: NetworkBody): Promise<NetworksAnswer> {
    return this.#call("POST", "/v1/leave", body);
  }

  up(body: NetworkBody): Promise<NetworksAnswer> {
    return this.#call("POST", "/v1/up", body);
  }

  down(body: NetworkBody): Promise<NetworksAnswer> {
    return this.#call("POST", "/v1/down", body);
  }

  links(): Promise<LinksAnswer> {
    return this.#call("GET", "/v1/links");
  }

  /** Changes what is named of one network's links; it takes effect at once and is kept. */
  setLinks(body: LinksBody): Promise<LinksAnswer> {
    return this.#call("POST", "/v1/links", body);
  }

  /** Sends one echo through the tunnel and waits for its answer, `timeoutMs` at most. */
  ping(body: PingBody): Promise<PingAnswer> {
    return this.#call("POST", "/v1/ping", body);
  }

  /** Chooses how packets for a peer use the paths to it, if the body names a mode, and tells what is in force. */
  mode(body: ModeBody): Promise<ModeAnswer> {
    return this.#call("POST", "/v1/mode", body);
  }

  /** How a peer is reached and why so; talks to it for some seconds if need be. */
  explain(body: ExplainBody): Promise<PeerExplanation> {
    return this.#call("POST", "/v1/explain", body);
  }

  /** Examines the NATs anew; takes some seconds where nothing answers. */
  netcheck(): Promise<NetcheckAnswer> {
    return this.#call("POST", "/v1/netcheck", {});
  }

  #call<T>(method: "GET" | "POST", path: string, body?: unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const call = request(
        {
          socketPath: this.#socketPath,
          method,
          path,
          agent: false,
          headers:
            payload === undefined
              ? {}
              : { "content-type": "application/json", "content-length": Buffer.byteLength(payload) },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", (cause) => reject(this.#unreachable(cause)));
          response.on("end", () => {
            try {
              const answer: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
              // SAFETY: the agent answers with the types of core/local-api; both come from one checkout.
              if (response.statusCode === 200) resolve(answer as T);
              else reject(fromProblem(answer, response.statusCode ?? 500));
            } catch (cause) {
              reject(
                new AsterismError("internal", `the agent at ${this.#socketPath} gave no readable answer`, { cause }),
              );
            }
          });
        },
      );
      call.on("error", (cause) => reject(this.#unreachable(cause)));
      call.end(payload);
    });
  }

  #unreachable(cause: NodeJS.ErrnoException): AsterismError {
    const why =
      cause.code === "EACCES"
        ? `no permission to use ${this.#socketPath}; run this as root or as the agent's user`
        : `no agent answers at ${this.#socketPath}. Start one with \`asterism agent\` (or \`systemctl start asterism-agent\`), or name its socket with --socket`;
    return new AsterismError("agent-not-running", why, { cause });
  }
}
