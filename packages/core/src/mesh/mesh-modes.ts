import type { TrafficMode } from "../paths/index.ts";
import type { Instant } from "../time.ts";
import type { MeshPeer } from "./mesh-peer.ts";
import type { MeshPeers } from "./mesh-peers.ts";

/** In which modes packets travel, as this side decides it. */
export interface ChosenModes {
  /** The network's default; null: it has none. */
  readonly network: TrafficMode | null;
  /** By node id: what was chosen by command. */
  readonly peers: ReadonlyMap<string, TrafficMode>;
}

/** Tells the peers in which mode their packets travel. */
export class MeshModes {
  readonly #peers: MeshPeers;
  #chosen: ChosenModes = { network: null, peers: new Map() };

  constructor(peers: MeshPeers) {
    this.#peers = peers;
  }

  set(chosen: ChosenModes, now: Instant): void {
    this.#chosen = chosen;
    for (const peer of this.#peers.all()) this.apply(peer, now);
  }

  /** The peer is new, or announces something else than before. */
  apply(peer: MeshPeer, now: Instant): void {
    peer.setMode(this.#chosen.peers.get(peer.peer.nodeId) ?? null, this.#chosen.network, now);
  }
}
