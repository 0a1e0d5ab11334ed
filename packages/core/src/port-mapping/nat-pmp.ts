/** NAT-PMP, version 0 (RFC 6886 §3): requests to a router's UDP port 5351 and its answers. IPv4 only. */
import { formatIpAddress } from "../addresses/index.ts";
import { readUint16Be, readUint32Be, writeUint16Be, writeUint32Be } from "../bytes/index.ts";

const OPCODE_ADDRESS = 0;
const OPCODE_MAP_UDP = 1;
const RESPONSE_BIT = 0x80;
const ADDRESS_RESPONSE_BYTES = 12;
const MAP_RESPONSE_BYTES = 16;

export type NatPmpAnswer =
  | { readonly kind: "address"; readonly epochSeconds: number; readonly address: string }
  | {
      readonly kind: "mapped";
      readonly epochSeconds: number;
      readonly internalPort: number;
      readonly externalPort: number;
      readonly lifetimeSeconds: number;
    }
  /** Result codes of RFC 6886 §3.5; 1 is "unsupported version". */
  | { readonly kind: "refused"; readonly resultCode: number };

export function encodeAddressRequest(): Uint8Array {
  return new Uint8Array([0, OPCODE_ADDRESS]);
}

/** A lifetime of 0 asks for the deletion; the external port is then 0 too (RFC 6886 §3.4). */
export function encodeUdpMapRequest(internalPort: number, externalPort: number, lifetimeSeconds: number): Uint8Array {
  const bytes = new Uint8Array(12);
  bytes[1] = OPCODE_MAP_UDP;
  writeUint16Be(bytes, 4, internalPort);
  writeUint16Be(bytes, 6, externalPort);
  writeUint32Be(bytes, 8, lifetimeSeconds);
  return bytes;
}

/** Undefined if it is no answer of NAT-PMP. */
export function parseNatPmpAnswer(bytes: Uint8Array): NatPmpAnswer | undefined {
  // An answer to an unsupported version or opcode may be as short as the header.
  if (bytes.length < 8 || bytes[0] !== 0) return undefined;
  const opcode = (bytes[1] ?? 0) - RESPONSE_BIT;
  if (opcode < 0) return undefined;
  const resultCode = readUint16Be(bytes, 2);
  if (resultCode !== 0) return { kind: "refused", resultCode };
  const epochSeconds = readUint32Be(bytes, 4);
  if (opcode === OPCODE_ADDRESS && bytes.length >= ADDRESS_RESPONSE_BYTES) {
    return { kind: "address", epochSeconds, address: formatIpAddress(bytes.slice(8, 12)) };
  }
  if (opcode === OPCODE_MAP_UDP && bytes.length >= MAP_RESPONSE_BYTES) {
    return {
      kind: "mapped",
      epochSeconds,
      internalPort: readUint16Be(bytes, 8),
      externalPort: readUint16Be(bytes, 10),
      lifetimeSeconds: readUint32Be(bytes, 12),
    };
  }
  return undefined;
}
