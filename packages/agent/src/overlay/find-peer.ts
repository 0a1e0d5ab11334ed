import { AsterismError } from "@asterism/core/errors";
import type { MeshPeer, RefusedPeer } from "@asterism/core/mesh";
import type { MeshShell } from "./mesh-shell.ts";
import type { OverlayNetwork } from "./overlay-network.ts";

export interface FoundPeer {
  readonly network: OverlayNetwork;
  readonly shell: MeshShell;
  readonly peer: MeshPeer;
}

/**
 * By name, fully qualified name or overlay address; a name that several networks know must be qualified.
 * @throws AsterismError `network-unknown`, `peer-unknown`, `invalid-input`
 */
export function findPeer(networks: readonly OverlayNetwork[], text: string): FoundPeer {
  if (networks.length === 0) throw noNetwork();
  const wanted = text.toLowerCase().replace(/\.$/, "");
  const found = networks.flatMap((network) => {
    const { shell } = network;
    if (shell === undefined) return [];
    return [...shell.mesh.peers.values()]
      .filter(({ peer }) => namesOf(peer).includes(wanted))
      .map((peer) => ({ network, shell, peer }));
  });
  const [only, another] = found;
  if (only === undefined) throw new AsterismError("peer-unknown", unknownPeerMessage(networks, wanted));
  if (another !== undefined) {
    const names = found.map(({ peer }) => peer.peer.fqdn).join(", ");
    throw new AsterismError("invalid-input", `"${text}" is in several networks; name one in full: ${names}`);
  }
  return only;
}

export function noNetwork(): AsterismError {
  return new AsterismError("network-unknown", "this machine is in no network; join one with `asterism join KEY`");
}

/** A member that this node will not talk to. */
export function findRefused(
  networks: readonly OverlayNetwork[],
  text: string,
): { readonly network: OverlayNetwork; readonly shell: MeshShell; readonly peer: RefusedPeer } | undefined {
  const wanted = text.toLowerCase().replace(/\.$/, "");
  for (const network of networks) {
    const { shell } = network;
    const peer = [...(shell?.mesh.roster.refused.values() ?? [])].find((refused) => namesOf(refused).includes(wanted));
    if (shell !== undefined && peer !== undefined) return { network, shell, peer };
  }
  return undefined;
}

export function downMessage({ membership, problem }: OverlayNetwork): string {
  const { name } = membership.network;
  return problem ?? `the network ${name} is down; bring it up with \`asterism up ${name}\``;
}

function unknownPeerMessage(networks: readonly OverlayNetwork[], text: string): string {
  const refused = findRefused(networks, text);
  if (refused !== undefined) return `${text} is refused: ${refused.peer.reason}`;
  for (const { membership } of networks) if (namesOf(membership.self).includes(text)) return `${text} is this machine`;
  const down = networks.find(({ shell }) => shell === undefined);
  if (down !== undefined) return `no peer "${text}" in a network that is up; ${downMessage(down)}`;
  return `no peer "${text}"; \`asterism peers\` lists them`;
}

function namesOf({ name, fqdn, ipv4, ipv6 }: Pick<RefusedPeer, "name" | "fqdn" | "ipv4" | "ipv6">): string[] {
  return [name, fqdn, ipv4, ipv6];
}
