import { type ClientRequest, type IncomingMessage, request } from "node:http";
import type { Duplex } from "node:stream";
import { AsterismError, fromProblem } from "@asterism/core/errors";

export interface JsonCall {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** With query. */
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** The connection a call runs on: one that is open already, or a unix socket. */
export type JsonTransport =
  | { readonly kind: "socket"; readonly socket: Duplex; readonly host: string }
  | { readonly kind: "unix"; readonly path: string };

const CALL_TIMEOUT_MS = 20_000;
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/**
 * One HTTP request with a JSON body and a JSON answer (undefined for 204). An answer that is not 2xx rejects with the
 * `AsterismError` it reports; what goes wrong on the way rejects with what `describe` makes of it.
 */
export function callJson(
  transport: JsonTransport,
  call: JsonCall,
  describe: (cause: NodeJS.ErrnoException) => AsterismError,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const payload = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body));
    const outgoing = request({
      ...(transport.kind === "unix"
        ? { socketPath: transport.path, agent: false }
        : { createConnection: () => transport.socket }),
      method: call.method,
      path: call.path,
      headers: {
        accept: "application/json",
        connection: "close",
        host: transport.kind === "unix" ? "localhost" : transport.host,
        ...(payload === undefined ? {} : { "content-type": "application/json", "content-length": payload.length }),
        ...call.headers,
      },
    });
    outgoing.setTimeout(call.timeoutMs ?? CALL_TIMEOUT_MS, () => {
      outgoing.destroy(Object.assign(new Error("no answer in time"), { code: "ETIMEDOUT" }));
    });
    outgoing.once("error", (cause) => reject(cause instanceof AsterismError ? cause : describe(cause)));
    outgoing.once("response", (response) => {
      readAnswer(outgoing, response).then(resolve, (error: unknown) =>
        reject(error instanceof AsterismError ? error : describe(error as NodeJS.ErrnoException)),
      );
    });
    outgoing.end(payload);
  });
}

async function readAnswer(outgoing: ClientRequest, response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []; // bounded: MAX_ANSWER_BYTES
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_ANSWER_BYTES) {
      outgoing.destroy();
      throw new AsterismError("too-large", "The answer is larger than anything this client expects.");
    }
    chunks.push(chunk);
  }
  const status = response.statusCode ?? 500;
  const text = Buffer.concat(chunks).toString("utf8");
  const success = status >= 200 && status < 300;
  if (success && text === "") return undefined;
  const body = parseBody(text);
  if (!success) throw fromProblem(body, status);
  if (body === undefined) throw new AsterismError("internal", "The answer is not JSON. Is this an Asterism server?");
  return body;
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not JSON: the caller decides what that means
  }
}
