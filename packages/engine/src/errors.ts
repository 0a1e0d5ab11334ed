import { AsterismError, type ErrorCode, type ErrorDetails } from "@asterism/core/errors";

/** What the engine objects to. The order is that of `Status` in native/engine/base/status.h, after `ok`. */
const REASONS = [
  "closed",
  "invalid-argument",
  "unknown-peer",
  "unknown-link",
  "index-in-use",
  "too-many-peers",
  "too-many-links",
  "too-many-paths",
  "no-permission",
  "no-tun-device",
  "interface-name-taken",
  "port-in-use",
  "address-not-available",
  "no-such-interface",
  "crypto-unavailable",
  "busy",
  "unknown-session",
  "system-error",
] as const;

export type EngineErrorReason = (typeof REASONS)[number] | "not-built" | "wrong-version";

const CODES: Readonly<Record<EngineErrorReason, ErrorCode>> = {
  closed: "internal",
  "invalid-argument": "internal",
  "unknown-peer": "internal",
  "unknown-link": "internal",
  "index-in-use": "in-use",
  "too-many-peers": "limit-reached",
  "too-many-links": "limit-reached",
  "too-many-paths": "limit-reached",
  "no-permission": "not-root",
  "no-tun-device": "no-tun",
  "interface-name-taken": "in-use",
  "port-in-use": "address-in-use",
  "address-not-available": "address-in-use",
  "no-such-interface": "not-found",
  "crypto-unavailable": "engine-missing",
  busy: "internal",
  "unknown-session": "internal",
  "system-error": "interface-failed",
  "not-built": "engine-missing",
  "wrong-version": "engine-missing",
};

/** Misuse of the engine, or the host's refusal. `reason` tells them apart; `message` says how to mend it. */
export class EngineError extends AsterismError {
  readonly reason: EngineErrorReason;

  constructor(reason: EngineErrorReason, message: string, details: ErrorDetails = {}, cause?: unknown) {
    super(CODES[reason], message, cause === undefined ? { details } : { details, cause });
    this.name = "EngineError";
    this.reason = reason;
  }
}

/** The reason behind a native status number, which is not 0. */
export function reasonOf(status: number): EngineErrorReason {
  return REASONS[status - 1] ?? "system-error";
}
