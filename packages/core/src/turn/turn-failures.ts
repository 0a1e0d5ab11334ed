/** What the relay's error answers mean for the client (RFC 8656 §7.4, §8.3, §10.3, §12.3). */
import { backOffDelayMs } from "../back-off.ts";
import type { RandomBytes } from "../random.ts";
import { addMs, type Instant } from "../time.ts";
import { TURN_ERROR } from "./attribute-types.ts";
import type { TurnFailure } from "./client-types.ts";
import { FULL_RETRY_MS, RETRY_BACK_OFF } from "./timings.ts";

const ALLOCATE_FAILURES: ReadonlyMap<number, TurnFailure> = new Map<number, TurnFailure>([
  [TURN_ERROR.unauthenticated, "credentials-refused"],
  [TURN_ERROR.wrongCredentials, "credentials-refused"],
  [TURN_ERROR.staleNonce, "challenge-refused"],
  [TURN_ERROR.allocationMismatch, "allocation-mismatch"],
  [TURN_ERROR.addressFamilyNotSupported, "family-not-supported"],
  [TURN_ERROR.allocationQuotaReached, "quota-reached"],
  [TURN_ERROR.insufficientCapacity, "relay-full"],
]);

/** Why there is no allocation after this answer to Allocate. */
export function allocateFailure(code: number): TurnFailure {
  return ALLOCATE_FAILURES.get(code) ?? "refused";
}

/** Why the allocation can't be used any more after this answer to a later request; undefined if it can. */
export function allocationFailure(code: number): TurnFailure | undefined {
  if (code === TURN_ERROR.staleNonce) return "challenge-refused";
  if (code === TURN_ERROR.unauthenticated || code === TURN_ERROR.wrongCredentials) return "credentials-refused";
  return code === TURN_ERROR.allocationMismatch ? "allocation-lost" : undefined;
}

const LASTING: ReadonlySet<number> = new Set<number>([
  TURN_ERROR.badRequest,
  TURN_ERROR.forbidden,
  TURN_ERROR.unknownAttribute,
  TURN_ERROR.peerAddressFamilyMismatch,
]);

/** Asking for the same peer again would bring the same answer. */
export function isLastingRefusal(code: number): boolean {
  return LASTING.has(code);
}

export function isChallenge(code: number): boolean {
  return code === TURN_ERROR.unauthenticated || code === TURN_ERROR.staleNonce;
}

/** When to try again after so many failures in a row. */
export function retryTime(reason: TurnFailure, failures: number, random: RandomBytes, now: Instant): Instant {
  const delayMs = Math.ceil(backOffDelayMs(RETRY_BACK_OFF, failures, random));
  const isFull = reason === "quota-reached" || reason === "relay-full";
  return addMs(now, isFull ? Math.max(FULL_RETRY_MS, delayMs) : delayMs);
}
