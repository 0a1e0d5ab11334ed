import type { Instant } from "../time.ts";
import type { Path } from "./path.ts";
import { DATA_SILENCE_CONFIRMED_MS, DATA_SILENCE_MS } from "./timings.ts";

/**
 * Data that nobody answers is a reason to check the active path before its heartbeat is due: a NAT that has lost its
 * mappings, or a relay that has died, gives no other sign. A peer that only receives keeps silent for up to 10 s
 * (WireGuard paper §6.5), so silence is no proof: one run of checks for each time that it begins.
 */
export class SilenceWatch {
  /** Since when data is unanswered, for which the active path is being checked. */
  #checkedFor: Instant | undefined;

  /** `unansweredSince`: first data packet since the peer was last heard; 0 if there is none. */
  handleTraffic(unansweredSince: Instant, active: Path | undefined, now: Instant): void {
    if (unansweredSince <= 0) {
      this.#checkedFor = undefined;
      return;
    }
    const patienceMs = Math.max(DATA_SILENCE_MS, 3 * (active?.statistics.smoothedRttMs ?? 0));
    if (active === undefined || unansweredSince === this.#checkedFor || now - unansweredSince < patienceMs) return;
    if ((active.answeredAt ?? 0) > unansweredSince) return;
    this.#checkedFor = unansweredSince;
    active.startRun(now);
  }

  /** Data and checks are both unanswered: the path is to be doubted although its trust has not run out. */
  isConfirmed(active: Path | undefined, now: Instant): active is Path {
    if (active?.unansweredSince === undefined || this.#checkedFor === undefined || !active.isSuspect) return false;
    if (this.#checkedFor <= (active.answeredAt ?? 0) || active.doubtedAt !== undefined) return false;
    const patienceMs = Math.max(DATA_SILENCE_CONFIRMED_MS, 3 * (active.statistics.smoothedRttMs ?? 0));
    return now - active.unansweredSince >= patienceMs;
  }
}
