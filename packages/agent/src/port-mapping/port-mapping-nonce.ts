import { createHmac } from "node:crypto";
import type { MachineKeyPair } from "@asterism/core/identity";
import { PCP_NONCE_BYTES } from "@asterism/core/port-mapping";

/**
 * The nonce of a network's mappings: the same in every run, so that a run can renew what one that was killed has left
 * behind, and known to nobody else.
 */
export function portMappingNonce({ privateKey }: MachineKeyPair, networkId: string): Uint8Array {
  const digest = createHmac("sha256", privateKey).update(`asterism port mapping v1 ${networkId}`).digest();
  return new Uint8Array(digest.subarray(0, PCP_NONCE_BYTES));
}
