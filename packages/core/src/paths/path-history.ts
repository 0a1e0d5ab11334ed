import { udpAddressEquals } from "../net/index.ts";
import type { Instant } from "../time.ts";
import type { Path } from "./path.ts";
import type { AttemptRecord, PathChangeRecord } from "./path-types.ts";

const MAX_ATTEMPT_RECORDS = 64;
const MAX_CHANGE_RECORDS = 32;

export interface AttemptOutcome {
  readonly result: AttemptRecord["result"];
  readonly why: string;
  /** Time from the first check to the first answer. */
  readonly afterMs?: number;
}

/** What was tried and what came of it, so that it can be explained later. */
export class PathHistory {
  readonly #attempts: AttemptRecord[] = []; // bounded: MAX_ATTEMPT_RECORDS, oldest dropped
  readonly #changes: PathChangeRecord[] = []; // bounded: MAX_CHANGE_RECORDS, oldest dropped

  get attempts(): readonly AttemptRecord[] {
    return [...this.#attempts];
  }

  get changes(): readonly PathChangeRecord[] {
    return [...this.#changes];
  }

  recordAttempt(path: Path, outcome: AttemptOutcome, now: Instant): void {
    const { result, why, afterMs = null } = outcome;
    const { address, peer, remoteKind } = path;
    const relay = address.channel === null ? null : address.remote;
    const last = this.#attempts.findLast(
      (record) =>
        record.linkId === address.linkId &&
        udpAddressEquals(record.remote, peer) &&
        (record.relay === null) === (relay === null),
    );
    // The same outcome over and over tells nothing new.
    if (result === "no-answer" && last?.result === result) return;
    this.#attempts.push({
      at: now,
      remote: peer,
      relay,
      linkId: address.linkId,
      remoteKind,
      result,
      afterMs,
      why,
    });
    if (this.#attempts.length > MAX_ATTEMPT_RECORDS) this.#attempts.shift();
  }

  recordChange(change: PathChangeRecord): void {
    this.#changes.push(change);
    if (this.#changes.length > MAX_CHANGE_RECORDS) this.#changes.shift();
  }
}
