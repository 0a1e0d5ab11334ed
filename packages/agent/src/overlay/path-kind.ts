import type { MeshPeer } from "@asterism/core/mesh";

/** How packets travel to a peer at the moment. */
export function pathKind({ table }: MeshPeer): "direct" | "relayed" | "none" {
  const [best] = table;
  if (best === undefined) return "none";
  return best.relayed ? "relayed" : "direct";
}
