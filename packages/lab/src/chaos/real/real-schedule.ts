/** What goes wrong in a run in namespaces and when: a pure function of the seed. */
import { SeededRandom } from "../../virtual-internet/seeded-random.ts";

export const REAL_FAULT_KINDS = {
  "nat-reboot": "a router loses its power, its mappings and connections, for a while",
  "nat-address": "besides, it has another public address afterwards",
  cable: "a host's cable is out",
  flap: "a host's cable is pulled and plugged several times",
  suspend: "a host is suspended: packets are lost, processes stand still",
  stop: "the agent's process is stopped and goes on later",
  "agent-kill": "the agent is killed and started again later",
  address: "a host gets another address",
  route: "the default route leads over the other uplink",
  "udp-blocked": "a router lets no UDP pass",
  "relay-kill": "the relay is killed and started again later",
  "server-kill": "the server, which is a relay too, is killed and started again later",
} as const;

export type RealFaultKind = keyof typeof REAL_FAULT_KINDS;

export interface RealFault {
  readonly kind: RealFaultKind;
  /** After the beginning of its phase. */
  readonly beginMs: number;
  readonly lengthMs: number;
  /** Place in the list of members, modulo its length. */
  readonly subject: number;
}

// SAFETY: the keys of the table, which has no others.
const KINDS = Object.keys(REAL_FAULT_KINDS) as readonly RealFaultKind[];
const STORM_MS = { min: 4_000, max: 12_000 } as const;
const MAX_FAULTS = 5;
/** Kernels give up interfaces and routes that are away for long, and TCP inside sends again ever later. */
const MAX_LENGTH_MS = 8_000;

/** Phases of faults, without end: the run takes as many as it has time for. */
export function* planRealChaos(seed: number): Generator<readonly RealFault[], never> {
  const random = new SeededRandom(seed);
  for (;;) {
    const stormMs = random.between(STORM_MS.min, STORM_MS.max);
    const count = random.between(1, MAX_FAULTS);
    yield Array.from({ length: count }, (): RealFault => {
      const beginMs = random.between(0, stormMs);
      const lengthMs = Math.min(MAX_LENGTH_MS, random.between(200, stormMs));
      const kind = KINDS[random.between(0, KINDS.length - 1)] ?? "nat-reboot";
      return { kind, beginMs, lengthMs, subject: random.between(0, 999) };
    }).sort((a, b) => a.beginMs - b.beginMs);
  }
}
