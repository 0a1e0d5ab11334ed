/** Port Control Protocol, version 2 (RFC 6887): the MAP and ANNOUNCE opcodes, for UDP ports of IPv4 hosts. */
import { formatIpAddress, parseIpv4 } from "../addresses/index.ts";
import { bytesEqual, readUint16Be, readUint32Be, writeUint16Be, writeUint32Be } from "../bytes/index.ts";

const VERSION = 2;
const OPCODE_ANNOUNCE = 0;
const OPCODE_MAP = 1;
const RESPONSE_BIT = 0x80;
const PROTOCOL_UDP = 17;
const HEADER_BYTES = 24;
const MAP_BYTES = 60;
/** RFC 6887 §7: longer messages are not PCP. */
const MAX_BYTES = 1_100;
export const PCP_NONCE_BYTES = 12;

export interface PcpMapRequest {
  /** IPv4, as the router sees us. */
  readonly clientAddress: string;
  /** 12 bytes; only who knows it may change the mapping. */
  readonly nonce: Uint8Array;
  readonly internalPort: number;
  /** What we would like; the router decides. */
  readonly externalPort: number;
  /** IPv4, or null for any. */
  readonly externalAddress: string | null;
  /** 0 asks for the deletion. */
  readonly lifetimeSeconds: number;
}

export type PcpAnswer =
  | {
      readonly kind: "mapped";
      readonly epochSeconds: number;
      readonly internalPort: number;
      readonly externalPort: number;
      readonly externalAddress: string;
      readonly lifetimeSeconds: number;
    }
  | { readonly kind: "announce"; readonly epochSeconds: number }
  /** Result codes of RFC 6887 §7.4; 1 is "unsupported version". */
  | { readonly kind: "refused"; readonly resultCode: number };

export function encodePcpMap(request: PcpMapRequest): Uint8Array {
  const bytes = new Uint8Array(MAP_BYTES);
  writeHeader(bytes, OPCODE_MAP, request.lifetimeSeconds, request.clientAddress);
  bytes.set(request.nonce, 24);
  bytes[36] = PROTOCOL_UDP;
  writeUint16Be(bytes, 40, request.internalPort);
  writeUint16Be(bytes, 42, request.externalPort);
  bytes.set(mappedIpv6(request.externalAddress ?? "0.0.0.0"), 44);
  return bytes;
}

/** Asks whether the router still is who it was: its answer carries its epoch (RFC 6887 §14.1). */
export function encodePcpAnnounce(clientAddress: string): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  writeHeader(bytes, OPCODE_ANNOUNCE, 0, clientAddress);
  return bytes;
}

/** Undefined if it is no answer of PCP to us. */
export function parsePcpAnswer(bytes: Uint8Array, nonce: Uint8Array): PcpAnswer | undefined {
  if (bytes.length < HEADER_BYTES || bytes.length > MAX_BYTES || bytes[0] !== VERSION) return undefined;
  const opcode = (bytes[1] ?? 0) - RESPONSE_BIT;
  if (opcode !== OPCODE_ANNOUNCE && opcode !== OPCODE_MAP) return undefined;
  const resultCode = bytes[3] ?? 0;
  if (resultCode !== 0) return { kind: "refused", resultCode };
  const epochSeconds = readUint32Be(bytes, 8);
  if (opcode === OPCODE_ANNOUNCE) return { kind: "announce", epochSeconds };
  if (bytes.length < MAP_BYTES || bytes[36] !== PROTOCOL_UDP) return undefined;
  if (!bytesEqual(bytes.subarray(24, 24 + PCP_NONCE_BYTES), nonce)) return undefined;
  const external = bytes.slice(44, 60);
  const isIpv4 = bytesEqual(external.subarray(0, 12), mappedIpv6("0.0.0.0").subarray(0, 12));
  return {
    kind: "mapped",
    epochSeconds,
    internalPort: readUint16Be(bytes, 40),
    externalPort: readUint16Be(bytes, 42),
    externalAddress: formatIpAddress(isIpv4 ? external.slice(12) : external),
    lifetimeSeconds: readUint32Be(bytes, 4),
  };
}

function writeHeader(bytes: Uint8Array, opcode: number, lifetimeSeconds: number, clientAddress: string): void {
  bytes[0] = VERSION;
  bytes[1] = opcode;
  writeUint32Be(bytes, 4, lifetimeSeconds);
  bytes.set(mappedIpv6(clientAddress), 8);
}

/** `::ffff:a.b.c.d`, as PCP writes IPv4 addresses (RFC 6887 §5). */
function mappedIpv6(ipv4: string): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes[10] = 0xff;
  bytes[11] = 0xff;
  bytes.set(parseIpv4(ipv4) ?? [0, 0, 0, 0], 12);
  return bytes;
}
