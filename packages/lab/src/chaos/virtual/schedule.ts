/**
 * What goes wrong in a run and when: a pure function of the seed. Phases of overlapping faults alternate with quiet ones,
 * in which every pair must come together. A few faults last through the quiet phase that follows them, so that what
 * still can be connected is seen to be.
 */
import { SeededRandom } from "../../virtual-internet/seeded-random.ts";

/** `moment`: it is over when it has happened. */
export const FAULT_KINDS = {
  sleep: "the host is suspended",
  stop: "the agent's process is stopped and goes on later",
  clock: "somebody sets the wall clock",
  "nat-reboot": "the router forgets its mappings",
  "nat-address": "the router gets another public address",
  cable: "the host's cable is out",
  line: "the line of the site is dead",
  roam: "the host is at another site",
  address: "the host gets another address",
  "cut-off": "nothing passes between two sites",
  "relay-cut-off": "nothing passes between a site and a relay",
  "bad-line": "the line of the site loses, delays, reorders and duplicates",
  "relay-restart": "a relay starts anew and has forgotten everything",
  "relay-down": "a relay does not run",
  "server-down": "the server does not run",
  "server-unreachable": "the member does not reach the server",
  "agent-restart": "the agent is killed and starts anew",
  "agent-down": "the agent does not run",
  "udp-blocked": "the site lets no UDP pass, or nothing but HTTPS",
} as const;

export type FaultKind = keyof typeof FAULT_KINDS;

// SAFETY: the keys of the table, which has no others.
export const ALL_KINDS = Object.keys(FAULT_KINDS) as readonly FaultKind[];

const MOMENTS: readonly FaultKind[] = [
  "clock",
  "nat-reboot",
  "nat-address",
  "address",
  "relay-restart",
  "agent-restart",
];

export interface PlannedFault {
  readonly kind: FaultKind;
  readonly beginMs: number;
  /** The same for what is over when it has happened. */
  readonly endMs: number;
  /** Places in the lists of members, relays or sites, modulo their lengths. */
  readonly subject: number;
  readonly object: number;
  /** 0–1: how bad it is, where that matters. */
  readonly severity: number;
}

export interface Phase {
  readonly beginMs: number;
  readonly faults: readonly PlannedFault[];
  readonly quietFromMs: number;
  readonly quietUntilMs: number;
}

export interface ScheduleOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** Kinds of faults to choose from. */
  readonly kinds: readonly FaultKind[];
}

const FIRST_FAULT_MS = 5_000;
const QUIET_MS = 20_000;
/** Every so many phases the quiet is long enough for the slowest back-off. */
const LONG_QUIET_EVERY = 4;
const LONG_QUIET_MS = 90_000;
const LASTS_CHANCE = 0.15;
/** In the worst phases. */
const FAULT_GAP_MS = 1_500;

export function planChaos({ seed, durationMs, kinds }: ScheduleOptions): Phase[] {
  const random = new SeededRandom(seed);
  const phases: Phase[] = [];
  let beginMs = FIRST_FAULT_MS;
  for (;;) {
    const stormMs = random.between(5_000, 60_000);
    const quietFromMs = beginMs + stormMs;
    const quietUntilMs = quietFromMs + ((phases.length + 1) % LONG_QUIET_EVERY === 0 ? LONG_QUIET_MS : QUIET_MS);
    if (quietUntilMs > durationMs && phases.length > 0) return phases;
    const faults = planFaults({ beginMs, quietFromMs, quietUntilMs }, kinds, random.fork());
    phases.push({ beginMs, faults, quietFromMs, quietUntilMs });
    beginMs = quietUntilMs;
  }
}

function planFaults(
  { beginMs, quietFromMs, quietUntilMs }: Omit<Phase, "faults">,
  kinds: readonly FaultKind[],
  random: SeededRandom,
): PlannedFault[] {
  const count = random.between(2, 4 + Math.ceil((quietFromMs - beginMs) / FAULT_GAP_MS));
  const faults = Array.from({ length: count }, (): PlannedFault => {
    const kind = kinds[random.between(0, kinds.length - 1)] ?? "nat-reboot";
    const at = random.between(beginMs, quietFromMs - 1);
    const lasts = random.chance(LASTS_CHANCE) && !MOMENTS.includes(kind);
    // Short ones and long ones alike, and many that end together.
    const lengthMs = Math.round(100 * ((quietFromMs - at) / 100) ** (1.5 * random.unit()));
    const endMs = MOMENTS.includes(kind) ? at : Math.min(quietFromMs, at + lengthMs);
    const [subject, object, severity] = [random.between(0, 999), random.between(0, 999), random.unit()];
    return { kind, beginMs: at, endMs: lasts ? quietUntilMs : endMs, subject, object, severity };
  });
  return faults.sort((a, b) => a.beginMs - b.beginMs);
}
