/**
 * The content of a call, before it is sealed: JSON with the fields of `CallBody`, `sentAt` (ms since 1970) and, where
 * the network has a passphrase, `passphraseProof`. Unknown fields are ignored.
 */
import { formatIpAddress, parseIpAddress } from "../addresses/index.ts";
import { encodeUtf8, parseUtf8 } from "../bytes/index.ts";
import { NAT_BEHAVIOURS, type NatBehaviour, type NatFacts } from "../nat/index.ts";
import type { WallTime } from "../time.ts";
import { type CandidateKind, MAX_CANDIDATES, type RemoteCandidate } from "./candidate.ts";
import { type PunchMessage, parsePunch, punchFields } from "./hard-nat/punch-message.ts";
import { type OfferedPorts, offeredPortsFields, parseOfferedPorts } from "./offered-ports.ts";

/**
 * `offer`: "I want to reach you, here is where I am"; answered. `answer`: the callee's candidates.
 * `update`: the caller's candidates have changed; not answered.
 */
export type CallType = "offer" | "answer" | "update";

/** What one peer tells the other through the signalling server. */
export interface CallBody {
  readonly type: CallType;
  /** 16 hex digits, chosen by who offers and echoed by the answer. */
  readonly callId: string;
  readonly candidates: readonly RemoteCandidate[];
  /** The caller's NATs, one for each IP version; for explanations only. Left out by whom does not know them. */
  readonly nats?: readonly NatFacts[];
  /** Where the sender's NATs will map its next sockets to; left out where that is of no use. */
  readonly ports?: readonly OfferedPorts[];
  /** To agree on punching a hole. */
  readonly punch?: PunchMessage;
}

/** A call with what only the seal is concerned with. */
export interface CallContent {
  readonly body: CallBody;
  readonly sentAt: WallTime;
  readonly passphraseProof: string | null;
}

export const CALL_ID_BYTES = 8;
const CALL_ID_PATTERN = /^[0-9a-f]{16}$/;
const MAX_PROOF_CHARACTERS = 64;
const MAX_NATS = 2;
const NAT_TYPE_PATTERN = /^[a-z -]{1,32}$/;
const TYPES: readonly string[] = ["offer", "answer", "update"] satisfies CallType[];
const KINDS: readonly string[] = [
  "host",
  "server-reflexive",
  "peer-reflexive",
  "port-mapped",
  "relayed",
] satisfies CandidateKind[];

export function encodeCallContent({ body, sentAt, passphraseProof }: CallContent): Uint8Array {
  const candidates = body.candidates.map(({ kind, address, priority }) => ({
    kind,
    address: address.address,
    port: address.port,
    priority,
  }));
  const proof = passphraseProof === null ? {} : { passphraseProof };
  const nats = body.nats === undefined || body.nats.length === 0 ? {} : { nats: body.nats };
  const isWithPorts = body.ports !== undefined && body.ports.length > 0;
  const ports = isWithPorts ? { ports: body.ports.map(offeredPortsFields) } : {};
  const punch = body.punch === undefined ? {} : { punch: punchFields(body.punch) };
  const { type, callId } = body;
  return encodeUtf8(JSON.stringify({ type, callId, sentAt, candidates, ...nats, ...ports, ...punch, ...proof }));
}

/** Largest size of a call's content before it is sealed. */
export function encodedCallBytes(body: CallBody): number {
  const sentAt = Number.MAX_SAFE_INTEGER as WallTime;
  return encodeCallContent({ body, sentAt, passphraseProof: "p".repeat(MAX_PROOF_CHARACTERS) }).length;
}

/** Undefined if malformed. */
export function parseCallContent(bytes: Uint8Array): CallContent | undefined {
  const fields = parseJsonObject(bytes);
  if (fields === undefined) return undefined;
  const { type, callId, sentAt, candidates, passphraseProof = null } = fields;
  if (typeof type !== "string" || !TYPES.includes(type)) return undefined;
  if (typeof callId !== "string" || !CALL_ID_PATTERN.test(callId)) return undefined;
  if (typeof sentAt !== "number" || !Number.isSafeInteger(sentAt) || sentAt < 0) return undefined;
  if (!isProof(passphraseProof) || !Array.isArray(candidates) || candidates.length > MAX_CANDIDATES) return undefined;
  const parsed: RemoteCandidate[] = [];
  for (const entry of candidates) {
    const candidate = parseCandidate(entry);
    if (candidate === undefined) return undefined;
    parsed.push(candidate);
  }
  const nats = parseNats(fields["nats"]);
  const ports = parseOfferedPorts(fields["ports"]);
  const punch = parsePunch(fields["punch"]);
  // SAFETY: `type` is one of TYPES, and the wall time a whole number of milliseconds.
  return {
    body: {
      type: type as CallType,
      callId,
      candidates: parsed,
      ...(nats === undefined ? {} : { nats }),
      ...(ports === undefined ? {} : { ports }),
      ...(punch === undefined ? {} : { punch }),
    },
    sentAt: sentAt as WallTime,
    passphraseProof,
  };
}

/** Undefined if there are none. What explains a connection must not stand in its way: what is not understood is left out. */
function parseNats(value: unknown): NatFacts[] | undefined {
  if (!Array.isArray(value) || value.length > MAX_NATS) return undefined;
  return value.flatMap((entry) => parseNat(entry) ?? []);
}

function parseNat(entry: unknown): NatFacts | undefined {
  if (typeof entry !== "object" || entry === null) return undefined;
  const { family, type, mapping, filtering, udp = null } = entry as Record<string, unknown>;
  if ((family !== 4 && family !== 6) || typeof type !== "string" || !NAT_TYPE_PATTERN.test(type)) return undefined;
  if (udp !== null && typeof udp !== "boolean") return undefined;
  return { family, type, mapping: behaviourOf(mapping), filtering: behaviourOf(filtering), udp };
}

function behaviourOf(value: unknown): NatBehaviour | "unknown" {
  return NAT_BEHAVIOURS.find((behaviour) => behaviour === value) ?? "unknown";
}

function isProof(value: unknown): value is string | null {
  return value === null || (typeof value === "string" && value.length <= MAX_PROOF_CHARACTERS);
}

function parseCandidate(entry: unknown): RemoteCandidate | undefined {
  if (typeof entry !== "object" || entry === null) return undefined;
  const { kind, address, port, priority } = entry as Record<string, unknown>;
  if (typeof kind !== "string" || !KINDS.includes(kind) || typeof address !== "string") return undefined;
  if (!isIntegerUpTo(port, 65_535) || port === 0 || !isIntegerUpTo(priority, 0x7fff_ffff)) return undefined;
  const ip = parseIpAddress(address);
  if (ip === undefined) return undefined;
  // SAFETY: `kind` is one of KINDS. The address is brought to its one canonical text, as paths are compared by it.
  return { kind: kind as CandidateKind, address: { address: formatIpAddress(ip), port }, priority };
}

function isIntegerUpTo(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
}

function parseJsonObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  const text = parseUtf8(bytes);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    // Malformed JSON from a peer is an ordinary outcome.
    return undefined;
  }
}
