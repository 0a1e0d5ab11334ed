/** What two ends tell each other in their calls about punching a hole (docs/protocol-paths.md §8). */
import { formatIpAddress, parseIpAddress } from "../../addresses/index.ts";
import type { UdpAddress } from "../../net/index.ts";

/**
 * `sockets`: behind a NAT that gives each destination another port; opens many sockets to one address.
 * `ports`: keeps one port for all; sends to many ports of one address.
 * `aimed`: both ends are behind such NATs as `sockets`, whose next ports can be foretold; both open sockets to the one port
 * that the other expects in the middle of its own.
 */
export type PunchRole = "sockets" | "ports" | "aimed";

/** Why a proposal is refused. */
export type PunchRefusal = "busy" | "off" | "too-soon" | "unable";

export interface PunchMessage {
  readonly step: "propose" | "accept" | "refuse";
  /** The sender's. */
  readonly role: PunchRole;
  /** Where the sender's packets come from. The port means nothing in the role `sockets`. */
  readonly from: UdpAddress;
  /** Only of `aimed`: ports of that address for the next volleys, if the first one misses. */
  readonly furtherPorts?: readonly number[];
  /** Only of `refuse`. */
  readonly why?: PunchRefusal;
}

const MAX_FURTHER_PORTS = 8;
const ROLES: readonly string[] = ["sockets", "ports", "aimed"] satisfies PunchRole[];
const STEPS: readonly string[] = ["propose", "accept", "refuse"] satisfies PunchMessage["step"][];
const REFUSALS: readonly string[] = ["busy", "off", "too-soon", "unable"] satisfies PunchRefusal[];

export function otherRole(role: PunchRole): PunchRole {
  if (role === "aimed") return role;
  return role === "sockets" ? "ports" : "sockets";
}

/** Fields for the JSON of a call. */
export function punchFields({ step, role, from, furtherPorts, why }: PunchMessage): Record<string, unknown> {
  return {
    step,
    role,
    address: from.address,
    port: from.port,
    ...(furtherPorts === undefined ? {} : { furtherPorts }),
    ...(why === undefined ? {} : { why }),
  };
}

/** Undefined if it is none, or of a kind that this version does not know. */
export function parsePunch(value: unknown): PunchMessage | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { step, role, address, port, furtherPorts, why } = value as Record<string, unknown>;
  if (typeof step !== "string" || !STEPS.includes(step)) return undefined;
  if (typeof role !== "string" || !ROLES.includes(role)) return undefined;
  const ip = typeof address === "string" ? parseIpAddress(address) : undefined;
  if (ip === undefined || !isPort(port)) return undefined;
  const further = Array.isArray(furtherPorts) ? furtherPorts.filter(isPort).slice(0, MAX_FURTHER_PORTS) : [];
  const reason = typeof why === "string" && REFUSALS.includes(why) ? { why: why as PunchRefusal } : {};
  // SAFETY: `step` is one of STEPS, `role` one of ROLES and `why` one of REFUSALS.
  return {
    step: step as PunchMessage["step"],
    role: role as PunchRole,
    from: { address: formatIpAddress(ip), port },
    ...(further.length === 0 ? {} : { furtherPorts: further }),
    ...reason,
  };
}

function isPort(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65_535;
}
