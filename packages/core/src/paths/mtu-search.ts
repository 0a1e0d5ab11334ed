/**
 * The largest datagram that a path carries in one piece, found by checks that are padded to a size and sent with
 * "don't fragment": a search in the manner of RFC 8899 (DPLPMTUD), which needs no ICMP.
 *
 * Almost every path carries the full size, so that is tried first. If no answer comes, all sizes are tried side by
 * side; the largest that is answered is the result. The result is kept while a later search runs.
 *
 *   idle ──want──▶ full size sent ──answered──▶ idle, full
 *                        ╰──no answer──▶ all sizes sent ──no answer to the full one──▶ idle, limited
 */
import { addMs, type Instant } from "../time.ts";
import { MTU_FULL_AGAIN_MS, MTU_LIMITED_AGAIN_MS, MTU_PATIENCE_MS, MTU_RETRY_MS } from "./timings.ts";

/**
 * Sizes of IP packets worth trying below the full size: 1280 always passes IPv6, 576 is what IPv4 hosts must take, and
 * the smallest shows that others were not lost by chance.
 */
const IP_SIZES: readonly number[] = [256, 576, 768, 1_024, 1_200, 1_280, 1_320, 1_360, 1_400, 1_420, 1_440, 1_460];
/** A path that carries no IP packets of this size is narrow. QUIC asks for about as much (RFC 9000 §14). */
const NARROW_IP_BYTES = 1_200;
const UDP_HEADER_BYTES = 8;
const IP_HEADER_BYTES = { 4: 20, 6: 40 } as const;

type Round = "full" | "all";

export class MtuSearch {
  readonly #fullBytes: number;
  readonly #sizes: readonly number[];
  readonly #narrowBelow: number;
  /** UDP payload; 0 if unknown. */
  #result = 0;
  #round: Round | undefined;
  /** Sizes to be sent in this round, the next one first. */
  #queue: number[] = []; // bounded: sizes of a round
  /** When the round's answers are due; undefined while it is being sent. */
  #roundEndsAt: Instant | undefined;
  /** Largest size that was answered in this search. */
  #answered = 0;
  /** When to search anew. */
  #againAt: Instant | undefined;
  #isNarrow = false;

  /** `fullBytes`: the largest datagram, as UDP payload, that there will ever be to send. */
  constructor(fullBytes: number, family: 4 | 6) {
    this.#fullBytes = fullBytes;
    const headers = IP_HEADER_BYTES[family] + UDP_HEADER_BYTES;
    this.#sizes = [...IP_SIZES.map((size) => size - headers).filter((size) => size < fullBytes), fullBytes];
    this.#narrowBelow = Math.min(NARROW_IP_BYTES - headers, fullBytes);
  }

  /** Largest UDP payload that passes in one piece, 0 if unknown. */
  get mtuBytes(): number {
    return this.#result;
  }

  /**
   * The last search has shown that large packets vanish, though small ones pass: no link of the internet is like that
   * (IPv6 asks for 1280 bytes), so the path is broken or hostile. Known until a search shows otherwise.
   */
  get isNarrow(): boolean {
    return this.#isNarrow;
  }

  /** The path is in use: searches at once if nothing is known, and again from time to time if `renew`. */
  want(renew: boolean, now: Instant): void {
    if (this.#round !== undefined) return;
    const isDue = this.#againAt === undefined || (renew && now >= this.#againAt);
    if (isDue) this.#begin();
  }

  /** Something suggests that the result is out of date. */
  doubt(now: Instant): void {
    if (this.#againAt !== undefined && this.#againAt > now) this.#againAt = now;
  }

  /** The path is not in use, or in question itself: a search would find nothing. */
  pause(): void {
    this.#round = undefined;
    this.#queue = [];
    this.#roundEndsAt = undefined;
  }

  /** Nothing is known any more but that the path is narrow, so that it is not chosen again before the next search. */
  forget(): void {
    this.pause();
    this.#result = 0;
    this.#againAt = undefined;
  }

  /** Size of the probe that is due. */
  peek(): number | undefined {
    return this.#queue[0];
  }

  /** The probe that was due has left; `rttMs` is the path's. */
  handleSent(rttMs: number, now: Instant): void {
    this.#queue.shift();
    if (this.#queue.length > 0) return;
    this.#roundEndsAt = addMs(now, Math.ceil(Math.max(MTU_PATIENCE_MS, 2 * rttMs)));
  }

  handleAnswer(sizeBytes: number, now: Instant): void {
    if (sizeBytes > this.#result) this.#result = sizeBytes;
    if (sizeBytes >= this.#narrowBelow) this.#isNarrow = false;
    if (this.#round === undefined) return;
    this.#answered = Math.max(this.#answered, sizeBytes);
    if (sizeBytes === this.#fullBytes) this.#conclude(MTU_FULL_AGAIN_MS, now);
  }

  /** Goes on when the answers to a round are not to be expected any more. */
  expire(now: Instant): void {
    if (this.#roundEndsAt === undefined || now < this.#roundEndsAt) return;
    this.#roundEndsAt = undefined;
    if (this.#round === "full") {
      this.#round = "all";
      this.#queue = this.#sizes.toReversed();
    } else if (this.#answered === 0) {
      // Not even small ones: that says nothing about sizes.
      this.#conclude(MTU_RETRY_MS, now);
    } else {
      // A first result is worth a second look soon: both probes of the full size may have been lost by chance.
      const isFirst = this.#result !== this.#answered || this.#againAt === undefined;
      this.#result = this.#answered;
      this.#isNarrow = this.#answered < this.#narrowBelow;
      this.#conclude(isFirst ? MTU_RETRY_MS : MTU_LIMITED_AGAIN_MS, now);
    }
  }

  /** When `expire`, or `want` with this `renew`, has something to do. What `peek` gives leaves as the pace allows. */
  nextAt(renew: boolean): Instant | undefined {
    if (this.#round !== undefined) return this.#roundEndsAt;
    return renew ? this.#againAt : undefined;
  }

  #begin(): void {
    this.#round = "full";
    this.#queue = [this.#fullBytes];
    this.#answered = 0;
  }

  #conclude(againMs: number, now: Instant): void {
    this.pause();
    this.#againAt = addMs(now, againMs);
  }
}
