import { type Static, Type } from "typebox";
import { Id, nullable } from "./scalars.ts";

/** Pairs in one report. */
export const MAX_REPORTED_PAIRS = 64;
const MAX_REPORTED_MS = 600_000;

const ElapsedMs = Type.Number({ minimum: 0, maximum: MAX_REPORTED_MS });

/** NATs by their folk names, as `status` has them (`none`: no NAT). The server counts any other as `other`. */
const NAT_LABELS = [
  "none",
  "full cone",
  "restricted cone",
  "port-restricted cone",
  "symmetric",
  "udp blocked",
  "unknown",
] as const;
const NatLabel = Type.String({ minLength: 1, maxLength: 32, pattern: "^[a-z0-9 -]+$" });

const KNOWN_NATS: ReadonlySet<string> = new Set(NAT_LABELS);

/** One label for both orders, of a fixed set: what agents write must not make new time series. */
export function natPairLabel(natA: string, natB: string): string {
  const [first, second] = [natA, natB].map((nat) => (KNOWN_NATS.has(nat) ? nat : "other")).toSorted();
  return `${first} – ${second}`;
}

/** How one pair came together. */
export const PairReport = Type.Object({
  peer: Id,
  /** How packets travel at the time of the report. */
  kind: Type.Enum(["direct", "relayed"]),
  /** From the first packet to the first answer by whatever path; null if none came. */
  firstPingMs: nullable(ElapsedMs),
  /** From the first packet to the first direct path; null without one. */
  directMs: nullable(ElapsedMs),
  /** NAT of the reporting agent, NAT of the peer: see `NAT_LABELS`. */
  natA: NatLabel,
  natB: NatLabel,
});
export type PairReport = Static<typeof PairReport>;

/**
 * For statistics only: the server adds it up by NAT pair and keeps nothing of who it was. Sent by the agent that opened
 * the pair, once per pair when it is direct or has been tried for 30 s. Not answered; what is too much is not counted.
 */
export const ReportMessage = Type.Object({
  type: Type.Literal("report"),
  pairs: Type.Array(PairReport, { minItems: 1, maxItems: MAX_REPORTED_PAIRS }),
});
export type ReportMessage = Static<typeof ReportMessage>;
