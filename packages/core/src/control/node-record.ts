import { type Static, Type } from "typebox";
import { encodeBase64, encodeUtf8, parseBase64 } from "../bytes/index.ts";
import { AsterismError, fail, type Result } from "../errors/index.ts";
import type { Crypto } from "../identity/index.ts";
import { createParser, parseJson } from "./parse.ts";
import { Bytes32, Counter, Id, ProtocolNumber, ShortText } from "./scalars.ts";

/**
 * What a node says of itself in one network, signed by its machine key.
 *
 * The signature is Ed25519 over "asterism node record v1\n" followed by the exact text as the node wrote it. Server and
 * peers pass the text on unchanged, and every receiver verifies it by itself: the server can't swap a node key.
 */
export const NodeRecord = Type.Object({
  networkId: Id,
  /** WireGuard public key, base64. */
  nodeKey: Bytes32,
  /** Rises with every record of this machine in this network; of two records the higher one counts. */
  sequence: Counter,
  /** Ciphers for transport data beyond the obligatory one, by name; unknown names are ignored. */
  aeads: Type.Array(Type.String({ maxLength: 32 }), { maxItems: 8 }),
  /** What else this node understands, by name; unknown names are ignored. */
  capabilities: Type.Optional(Type.Array(Type.String({ maxLength: 32 }), { maxItems: 16 })),
  agentVersion: ShortText,
  protocol: ProtocolNumber,
});
export type NodeRecord = Static<typeof NodeRecord>;

/** A record as it travels: the text that was signed and the signature (base64). */
export interface SignedNodeRecord {
  readonly record: string;
  readonly recordSignature: string;
}

/** Ed25519 signature (64 bytes) of a message by this machine's key. */
export type MachineSign = (message: Uint8Array) => Uint8Array;

export const MAX_NODE_RECORD_CHARACTERS = 4096;
const SIGNING_CONTEXT = "asterism node record v1\n";

const parseFields = createParser("node record", NodeRecord);

/** Writes and signs a record. `sign` signs with the machine key. */
export function signNodeRecord(record: NodeRecord, sign: MachineSign): SignedNodeRecord {
  const text = JSON.stringify(record);
  return { record: text, recordSignature: encodeBase64(sign(signingBytes(text))) };
}

/**
 * Verifies a record of the machine `machineKey` (base64) for the network `networkId` and reads it.
 * Errors: `signature-invalid`, `invalid-input`.
 */
export function verifyNodeRecord(
  signed: SignedNodeRecord,
  machineKey: string,
  networkId: string,
  verify: Crypto["ed25519Verify"],
): Result<NodeRecord> {
  if (signed.record.length > MAX_NODE_RECORD_CHARACTERS) return refuse("too-large", "The node record is too long.");
  const publicKey = parseBase64(machineKey);
  const signature = parseBase64(signed.recordSignature);
  if (publicKey?.length !== 32 || signature?.length !== 64) {
    return refuse("signature-invalid", "The node record's machine key or signature has the wrong size.");
  }
  if (!verify(publicKey, signingBytes(signed.record), signature)) {
    return refuse("signature-invalid", "The node record's signature does not fit the machine key.");
  }
  const json = parseJson("node record", signed.record);
  if (!json.ok) return json;
  const record = parseFields(json.value);
  if (record.ok && record.value.networkId !== networkId) {
    return refuse("signature-invalid", "The node record was made for another network.");
  }
  return record;
}

function signingBytes(text: string): Uint8Array {
  return encodeUtf8(SIGNING_CONTEXT + text);
}

function refuse(code: "too-large" | "signature-invalid", message: string): Result<never> {
  return fail(new AsterismError(code, message));
}
