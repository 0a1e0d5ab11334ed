import { ERROR_TABLE, type ErrorCode, type ErrorTableEntry } from "./error-table.ts";

/** Facts of the case for programs: small, JSON, never a secret. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

export interface ErrorOptions {
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
}

/**
 * The one error class. Compare `code`; `message` is for people and says what to do.
 */
export class AsterismError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C;
  readonly details: ErrorDetails;

  constructor(code: C, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "AsterismError";
    this.code = code;
    this.details = options.details ?? {};
  }

  get entry(): ErrorTableEntry {
    return ERROR_TABLE[this.code];
  }

  /** Exit code of a command that ends with this error. */
  get exitCode(): number {
    return this.entry.exitCode;
  }

  get httpStatus(): number {
    return this.entry.httpStatus;
  }

  get retryable(): boolean {
    return this.entry.retryable;
  }
}

/** True for an `AsterismError` of the given code (of any code without one). */
export function isAsterismError<C extends ErrorCode = ErrorCode>(error: unknown, code?: C): error is AsterismError<C> {
  return error instanceof AsterismError && (code === undefined || error.code === code);
}
