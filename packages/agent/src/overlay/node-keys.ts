import { type NodeRecord, PROTOCOL_VERSION, type SignedNodeRecord, signNodeRecord } from "@asterism/core/control";
import { type Crypto, generateNodeKeyPair, type MachineKeyPair } from "@asterism/core/identity";
import type { Aead } from "@asterism/core/mesh";
import { MULTIPATH_CAPABILITY } from "@asterism/core/paths";
import { VERSION } from "@asterism/core/version";
import { systemRandom } from "../platform/random.ts";
import { keyText, type Membership } from "../state/membership.ts";

/** The part of a membership that belongs to its node key. */
export type NodeKeyFields = Pick<Membership, "nodePrivateKey" | "recordSequence" | "aeads" | "capabilities">;

/** What this version understands beyond what every version does. */
const CAPABILITIES: readonly string[] = [MULTIPATH_CAPABILITY];

/**
 * A new node key with the record that announces it. What a record says of ciphers is true for as long as its node key
 * is in use: so both ends of a handshake, which knows the keys, come to the same cipher. Other ciphers, other key;
 * and so it is with what else this version understands.
 */
export function createNodeKey(
  crypto: Crypto,
  networkId: string,
  formerSequence: number,
  aeads: readonly Aead[],
): NodeKeyFields & { readonly record: NodeRecord } {
  const keys = generateNodeKeyPair(crypto, systemRandom);
  const record: NodeRecord = {
    networkId,
    nodeKey: keys.publicKey,
    // Rises also over a lost state folder: it follows the clock.
    sequence: Math.max(Date.now(), formerSequence + 1),
    aeads: [...aeads],
    capabilities: [...CAPABILITIES],
    agentVersion: VERSION,
    protocol: PROTOCOL_VERSION,
  };
  return {
    nodePrivateKey: keyText(keys.privateKey),
    recordSequence: record.sequence,
    aeads: record.aeads,
    capabilities: [...CAPABILITIES],
    record,
  };
}

/** Whether the node key of a membership announces just the ciphers `aeads`, and what this version understands. */
export function announcesAll({ aeads: announced, capabilities = [] }: Membership, aeads: readonly string[]): boolean {
  return isSame(announced, aeads) && isSame(capabilities, CAPABILITIES);
}

function isSame(names: readonly string[], others: readonly string[]): boolean {
  return names.length === others.length && names.every((name) => others.includes(name));
}

/** The membership with a new node key, whose record waits to be handed to the server. */
export function renewNodeKey(
  membership: Membership,
  machine: MachineKeyPair,
  crypto: Crypto,
  aeads: readonly Aead[],
): Membership {
  const { record, ...fields } = createNodeKey(crypto, membership.network.id, membership.recordSequence, aeads);
  const unpublishedRecord: SignedNodeRecord = signNodeRecord(record, (message) =>
    crypto.ed25519Sign(machine.privateKey, message),
  );
  return { ...membership, ...fields, unpublishedRecord };
}
