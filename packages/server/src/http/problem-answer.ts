import { AsterismError, PROBLEM_CONTENT_TYPE, toProblem } from "@asterism/core/errors";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";

/** Makes an error handler that answers with `application/problem+json`. What is unexpected is logged, not shown. */
export function createErrorHandler(log: Logger) {
  return (error: FastifyError | AsterismError, request: FastifyRequest, reply: FastifyReply): void => {
    const known = error instanceof AsterismError ? error : fromFastify(error);
    // Not the URL: it may hold what a person typed.
    const route = request.routeOptions.url ?? "unknown";
    if (known.code === "internal") log.error({ err: error, method: request.method, route }, "request failed");
    else log.debug({ code: known.code, method: request.method, route, remoteAddress: request.ip }, "request refused");
    sendProblem(reply, known);
  };
}

export function sendProblem(reply: FastifyReply, error: AsterismError): void {
  if (error.code === "not-authorised") reply.header("www-authenticate", "Bearer");
  reply
    .code(error.httpStatus)
    .type(PROBLEM_CONTENT_TYPE)
    .send(JSON.stringify(toProblem(error)));
}

function fromFastify(error: FastifyError): AsterismError {
  const status = error.statusCode ?? 500;
  if (status === 413) return new AsterismError("too-large", "The request's body is too large.", { cause: error });
  if (status === 415) {
    return new AsterismError("invalid-input", "The request's body must be application/json.", { cause: error });
  }
  if (status >= 400 && status < 500) {
    return new AsterismError("invalid-input", "The request is malformed or its body is not JSON.", { cause: error });
  }
  return new AsterismError("internal", "Something went wrong on the server. Its log says more.", { cause: error });
}
