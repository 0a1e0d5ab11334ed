import { formatIpAddress, parseIpAddress } from "@asterism/core/addresses";
import type { OfferedRelay } from "@asterism/core/control";
import { AsterismError } from "@asterism/core/errors";
import type { ServerContext } from "../context.ts";
import { type Outcome, unchanged } from "../domain/change.ts";
import { readTags } from "../domain/network-map.ts";
import { RELAY_TAG } from "../relays/member-relays.ts";
import { findMember } from "../store/nodes.ts";

/**
 * Takes a member's offer to relay for its network; null takes it back.
 * Throws `not-authorised`, `invalid-input`, `limit-reached`, `device-removed`.
 */
export async function offerRelay(
  context: ServerContext,
  nodeId: string,
  relay: OfferedRelay | null,
): Promise<Outcome<undefined>> {
  const member = await findMember(context.db, nodeId);
  if (member === undefined) {
    throw new AsterismError("device-removed", "The device is not a member of the network any more.");
  }
  const { name, network_id: networkId } = member;
  if (relay !== null && !readTags(member.tags).includes(RELAY_TAG)) {
    throw new AsterismError(
      "not-authorised",
      `This device may not relay for others: that takes the tag "${RELAY_TAG}", which comes with the join key (asterism admin key create --tag ${RELAY_TAG}).`,
    );
  }
  const isChanged =
    relay === null
      ? context.memberRelays.remove(networkId, nodeId)
      : context.memberRelays.set(networkId, { nodeId, name, relay: checked(relay), offeredAt: context.wallNow() });
  return isChanged ? { value: undefined, changes: [{ kind: "relays", networkId }] } : unchanged(undefined);
}

function checked(relay: OfferedRelay): OfferedRelay {
  const addresses = relay.addresses.map((text) => {
    const bytes = parseIpAddress(text);
    if (bytes === undefined) throw new AsterismError("invalid-input", `"${text}" is no IP address.`);
    return formatIpAddress(bytes);
  });
  if (relay.ports.udp === null && relay.ports.tcp === null) {
    throw new AsterismError("invalid-input", "The relay has no port: it is of no use.");
  }
  return { ...relay, addresses: [...new Set(addresses)] };
}
