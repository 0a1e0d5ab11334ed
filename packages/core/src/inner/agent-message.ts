/**
 * Messages of agents among themselves, inside the tunnel of two members: inner packets that are no IP packets.
 *
 *   offset  size  field
 *   0       1     0x00: the first nibble is no IP version
 *   1       1     type
 *   2       2     length of the body, big-endian
 *   4       n     body; what follows is padding
 *
 *   type  name             body
 *   1     forward-call     member id of the callee, sealed call
 *   2     forwarded-call   member id of the caller (empty: the sender itself), sealed call
 *   3     not-forwarded    member id of the callee
 *
 * A member id is one byte of length and its characters. Types that are not known are ignored.
 */
import { concatBytes, encodeUtf8, parseUtf8, readUint16Be } from "../bytes/index.ts";

export type AgentMessage =
  /** "Pass this call on to `to`." */
  | { readonly kind: "forward-call"; readonly to: string; readonly sealed: Uint8Array }
  /** "`from` wants this call passed on to you"; `from` null: it is the sender's own. */
  | { readonly kind: "forwarded-call"; readonly from: string | null; readonly sealed: Uint8Array }
  /** "I have no tunnel to `to`, ask somebody else." */
  | { readonly kind: "not-forwarded"; readonly to: string };

/**
 * Largest message: it passes in one piece where the underlay has the least MTU of IPv6, 1280 bytes: 40 of IPv6, 8 of UDP,
 * 4 of a channel and 32 of WireGuard are taken off, and what remains is rounded down to WireGuard's padding.
 */
export const MAX_AGENT_MESSAGE_BYTES = 1_184;
const MAX_ID_CHARACTERS = 64;
/** Largest sealed call that fits into a message. */
export const MAX_FORWARDED_CALL_BYTES = MAX_AGENT_MESSAGE_BYTES - 4 - 1 - MAX_ID_CHARACTERS;

const HEADER_BYTES = 4;
const TYPES = ["forward-call", "forwarded-call", "not-forwarded"] as const;
const ID_PATTERN = /^[a-z0-9][a-z0-9-]*$/;

/** True of an inner packet for the agent itself: what `parseAgentMessage` reads, or what a newer version would. */
export function looksLikeAgentMessage(packet: Uint8Array): boolean {
  return (packet[0] ?? 0xff) >> 4 === 0;
}

/** @throws RangeError if an id or the call is too long (a mistake of the caller). */
export function encodeAgentMessage(message: AgentMessage): Uint8Array {
  const id = encodeUtf8((message.kind === "forwarded-call" ? message.from : message.to) ?? "");
  const sealed = message.kind === "not-forwarded" ? new Uint8Array() : message.sealed;
  if (id.length > MAX_ID_CHARACTERS || sealed.length > MAX_FORWARDED_CALL_BYTES) {
    throw new RangeError(`too long for a message between agents: id ${id.length}, call ${sealed.length} bytes`);
  }
  const body = concatBytes(Uint8Array.of(id.length), id, sealed);
  const type = TYPES.indexOf(message.kind) + 1;
  return concatBytes(Uint8Array.of(0, type, body.length >> 8, body.length & 0xff), body);
}

/** Undefined if malformed or of a type that is not known. */
export function parseAgentMessage(packet: Uint8Array): AgentMessage | undefined {
  const frame = parseFrame(packet);
  if (frame === undefined) return undefined;
  const { kind, id, rest: sealed } = frame;
  if (kind === "not-forwarded") return id !== "" && sealed.length === 0 ? { kind, to: id } : undefined;
  if (sealed.length === 0 || sealed.length > MAX_FORWARDED_CALL_BYTES) return undefined;
  if (kind === "forwarded-call") return { kind, from: id === "" ? null : id, sealed };
  return id === "" ? undefined : { kind, to: id, sealed };
}

interface Frame {
  readonly kind: AgentMessage["kind"];
  /** Empty or in the form of a member's. */
  readonly id: string;
  readonly rest: Uint8Array;
}

function parseFrame(packet: Uint8Array): Frame | undefined {
  if (packet.length < HEADER_BYTES + 1 || packet[0] !== 0) return undefined;
  const kind = TYPES[(packet[1] ?? 0) - 1];
  const bodyBytes = readUint16Be(packet, 2);
  const idBytes = packet[HEADER_BYTES] ?? 0;
  if (kind === undefined || packet.length < HEADER_BYTES + bodyBytes) return undefined;
  if (idBytes > MAX_ID_CHARACTERS || bodyBytes < 1 + idBytes) return undefined;
  const body = packet.subarray(HEADER_BYTES + 1, HEADER_BYTES + bodyBytes);
  const id = parseUtf8(body.subarray(0, idBytes));
  if (id === undefined || !(id === "" || ID_PATTERN.test(id))) return undefined;
  return { kind, id, rest: body.slice(idBytes) };
}
