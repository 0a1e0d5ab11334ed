import type { Instant } from "../time.ts";
import type { Path } from "./path.ts";
import { DATA_SILENCE_CONFIRMED_MS, DATA_SILENCE_MS, PEER_DOUBT_GAP_MS } from "./timings.ts";

/**
 * Data that nobody answers is a reason to check the active path before its heartbeat is due: a NAT that has lost its
 * mappings, or a relay that has died, gives no other sign. A peer that only receives keeps silent for up to 10 s
 * (WireGuard paper §6.5), so silence is no proof: one run of checks for each time that it begins.
 *
 * Who only answers hears no silence once the peer sends by another path: checks of the peer say that its path does not
 * answer.
 */
export class SilenceWatch {
  /** Since when data is unanswered, for which the active path is being checked. */
  #checkedFor: Instant | undefined;
  /** When the active path was last checked because the peer said so. */
  #askedAt: Instant | undefined;

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

  /** The path that the peer uses does not answer it: ours may be dead, too. */
  handlePeerInDoubt(active: Path | undefined, now: Instant): void {
    if (this.#askedAt !== undefined && now - this.#askedAt < PEER_DOUBT_GAP_MS) return;
    this.#askedAt = now;
    active?.startRun(now);
  }

  /** Data, ours or the peer's, and checks are both unanswered: the path is to be doubted although its trust has not run out. */
  isConfirmed(active: Path | undefined, now: Instant): active is Path {
    if (active?.unansweredSince === undefined || !active.isSuspect || active.doubtedAt !== undefined) return false;
    const checkedFor = Math.max(this.#checkedFor ?? 0, this.#askedAt ?? 0);
    if (checkedFor <= (active.answeredAt ?? 0)) return false;
    const patienceMs = Math.max(DATA_SILENCE_CONFIRMED_MS, 3 * (active.statistics.smoothedRttMs ?? 0));
    return now - active.unansweredSince >= patienceMs;
  }
}
