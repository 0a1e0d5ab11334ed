import type { Instant } from "../time.ts";
import type { Path } from "./path.ts";
import {
  DATA_SILENCE_CONFIRMED_MS,
  DATA_SILENCE_MS,
  MTU_RETRY_MS,
  ONE_WAY_CONFIRMED_MS,
  PEER_DOUBT_GAP_MS,
  PEER_DOUBT_MS,
  SENDING_MS,
  SILENCE_SEEN_MS,
} from "./timings.ts";

/** What the engine says of data to the peer that nobody has answered. */
interface UnansweredData {
  /** The first of it since the peer was last heard. */
  readonly since: Instant;
  readonly lastSentAt: Instant;
}

/**
 * Data that nobody answers is a reason to check the active path before its heartbeat is due: a NAT that has lost its
 * mappings, a line that has died, or a relay, gives no other sign. A peer that only receives keeps silent for up to 10 s
 * (WireGuard paper §6.5), so silence is no proof. While it lasts the path is checked often, as only answers to checks tell
 * that it works.
 *
 * If checks are answered and data is not, the path is searched for the largest datagram that passes, once for each time.
 *
 * Who only answers hears no silence once the peer sends by another path: checks of the peer say that its path does not
 * answer.
 */
export class SilenceWatch {
  #unanswered: UnansweredData | undefined;
  /** Since when data is unanswered, for which the active path is being checked. */
  #checkedFor: Instant | undefined;
  /** The same, for which it was last asked whether the path still carries large packets, and when. */
  #sized: { readonly since: Instant; readonly at: Instant } | undefined;
  /** When the active path was last checked because the peer said so. */
  #askedAt: Instant | undefined;

  /** `since`: first data packet since the peer was last heard; 0 if there is none. */
  handleTraffic({ since, lastSentAt }: UnansweredData, active: Path | undefined, now: Instant): void {
    // Who was heard a moment ago is not silent, and nobody tells when the next packet comes.
    this.#unanswered = since > 0 && now - since >= SILENCE_SEEN_MS ? { since, lastSentAt } : undefined;
    if (active === undefined || !this.isOpen(active, now)) return;
    const isAnswered = (active.answeredAt ?? 0) > since;
    if (isAnswered) this.#askForSize(since, active, now);
    if (since === this.#checkedFor) return;
    this.#checkedFor = since;
    if (!isAnswered) active.startRun(now);
  }

  /** The path that the peer uses does not answer it: ours may be dead, too. */
  handlePeerInDoubt(active: Path | undefined, now: Instant): void {
    if (this.#askedAt !== undefined && now - this.#askedAt < PEER_DOUBT_GAP_MS) return;
    this.#askedAt = now;
    active?.startRun(now);
  }

  /** Data leave by the path, and nobody answers. */
  isOpen(active: Path | undefined, now: Instant): boolean {
    if (active === undefined || this.#unanswered === undefined) return false;
    const { since, lastSentAt } = this.#unanswered;
    return now - since >= patienceMs(DATA_SILENCE_MS, 1.5, active) && now - lastSentAt < SENDING_MS;
  }

  /** Data are to go by another path as well, until a check shows whether the active one works. */
  wantsHelp(active: Path | undefined, now: Instant): boolean {
    if (active === undefined) return false;
    return this.#isAsked(active, now) || (active.isSuspect && this.isOpen(active, now));
  }

  /** Data, ours or the peer's, and checks are both unanswered: the path is to be doubted although its trust has not run out. */
  isConfirmed(active: Path | undefined, now: Instant): active is Path {
    if (active?.unansweredSince === undefined || !active.isSuspect || active.doubtedAt !== undefined) return false;
    const vainMs = now - active.unansweredSince;
    const { since = 0 } = this.#unanswered ?? {};
    const isNewSilence = since > (active.answeredAt ?? 0) && this.isOpen(active, now);
    if (isNewSilence || this.#isAsked(active, now)) return vainMs >= patienceMs(DATA_SILENCE_CONFIRMED_MS, 3, active);
    // Checks get lost now and then where nothing else could have come.
    return this.isOpen(active, now) && vainMs >= patienceMs(ONE_WAY_CONFIRMED_MS, 4, active);
  }

  /** Small packets pass: perhaps it is the large ones that vanish. */
  #askForSize(since: Instant, active: Path, now: Instant): void {
    const isTooSoon = this.#sized !== undefined && (this.#sized.since === since || now - this.#sized.at < MTU_RETRY_MS);
    if (isTooSoon) return;
    this.#sized = { since, at: now };
    active.mtu.doubt(now);
  }

  #isAsked(active: Path, now: Instant): boolean {
    if (this.#askedAt === undefined || now - this.#askedAt >= PEER_DOUBT_MS) return false;
    return this.#askedAt > (active.answeredAt ?? 0);
  }
}

function patienceMs(leastMs: number, roundTrips: number, { statistics }: Path): number {
  return Math.max(leastMs, roundTrips * (statistics.smoothedRttMs ?? 0));
}
