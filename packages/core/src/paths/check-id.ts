import { parseUtf8 } from "../bytes/index.ts";
import { findAttribute, STUN_ATTRIBUTE, type StunMessage } from "../stun/index.ts";
import { CHECK_ID_CHARACTERS, type CheckId } from "./check-keys.ts";

/**
 * The check id a message carries as USERNAME: compare with the `receiveCheckId` of the peers to find who sent it.
 * Undefined for a message that is no check (the answer of a STUN server, for one).
 */
export function checkIdOf(message: StunMessage): CheckId | undefined {
  const value = findAttribute(message, STUN_ATTRIBUTE.username);
  if (value?.length !== CHECK_ID_CHARACTERS) return undefined;
  return parseUtf8(value) as CheckId | undefined;
}
