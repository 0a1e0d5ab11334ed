import { AsterismError, type ErrorDetails } from "./asterism-error.ts";
import { ERROR_TABLE, type ErrorCode, isErrorCode } from "./error-table.ts";

export const PROBLEM_CONTENT_TYPE = "application/problem+json";

/** Body of an HTTP answer that reports an error (RFC 9457), with our `code` and `details` as extension members. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
}

export function toProblem(error: AsterismError): Problem {
  return {
    type: `urn:asterism:error:${error.code}`,
    title: error.entry.meaning,
    status: error.httpStatus,
    detail: error.message,
    code: error.code,
    details: error.details,
  };
}

/**
 * The error that a peer's answer of `status` reports. A body that is no problem of ours, or a code this version does
 * not know, becomes the nearest code by status.
 */
export function fromProblem(body: unknown, status: number): AsterismError {
  const fields = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const detail = typeof fields["detail"] === "string" ? fields["detail"].slice(0, 1000) : undefined;
  const code = isErrorCode(fields["code"]) ? fields["code"] : codeForStatus(status);
  return new AsterismError(code, detail ?? `${ERROR_TABLE[code].meaning} (HTTP ${status}).`, {
    details: readDetails(fields["details"]),
  });
}

function codeForStatus(status: number): ErrorCode {
  if (status === 401 || status === 403) return "not-authorised";
  if (status === 404) return "not-found";
  if (status === 408 || status === 504) return "timeout";
  if (status === 413) return "too-large";
  if (status === 429) return "rate-limited";
  if (status === 502 || status === 503) return "server-unreachable";
  return status >= 400 && status < 500 ? "invalid-input" : "internal";
}

function readDetails(value: unknown): ErrorDetails {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  const details: Record<string, string | number | boolean | null | readonly string[]> = {};
  for (const [key, item] of Object.entries<unknown>(value as Record<string, unknown>).slice(0, 32)) {
    if (key === "__proto__") continue; // would set the prototype, not a field
    if (item === null || typeof item === "string" || typeof item === "number" || typeof item === "boolean") {
      details[key] = item;
    } else if (Array.isArray(item) && item.every((part) => typeof part === "string")) {
      details[key] = item;
    }
  }
  return details;
}
