import { parseBase64 } from "@asterism/core/bytes";
import { type AuthenticateMessage, controlProofBytes, formatFingerprint } from "@asterism/core/control";
import { AsterismError } from "@asterism/core/errors";
import type { ServerContext } from "../context.ts";
import { ed25519Verify } from "../ed25519.ts";
import { findMember } from "../store/nodes.ts";
import type { MemberRow } from "../store/tables.ts";

/** The member whose machine key signed this stream's nonce. Throws `device-removed` or `not-authorised`. */
export async function requireStreamOwner(
  context: ServerContext,
  message: AuthenticateMessage,
  nonce: string,
): Promise<MemberRow> {
  const node = await findMember(context.db, message.nodeId);
  if (node === undefined) throw new AsterismError("device-removed", "The device is not a member of the network.");
  const proof = controlProofBytes(formatFingerprint(context.identity.fingerprint), nonce, message.nodeId);
  const machineKey = parseBase64(node.machine_key);
  const signature = parseBase64(message.signature);
  if (machineKey !== undefined && signature !== undefined && ed25519Verify(machineKey, proof, signature)) return node;
  throw new AsterismError("not-authorised", "The signature does not fit the device's machine key.");
}
