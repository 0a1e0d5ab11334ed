import { AsterismError } from "@asterism/core/errors";
import { modeInForce } from "@asterism/core/explain";
import type { ModeAnswer, ModeBody } from "@asterism/core/local-api";
import { monotonicNow } from "../platform/clock.ts";
import { findPeer } from "./find-peer.ts";
import type { OverlayNetwork } from "./overlay-network.ts";

/** Chooses how packets for a peer use the paths to it, if the body names a mode, and tells what is in force. */
export function peerMode(networks: readonly OverlayNetwork[], body: ModeBody): ModeAnswer {
  const { network, peer } = findPeer(networks, body.peer);
  const { nodeId, name } = peer.peer;
  if (peer.paths === undefined) {
    throw new AsterismError("invalid-input", `${name} is a stock WireGuard client, which is sent to by one path`);
  }
  if (body.mode !== undefined) network.setMode(nodeId, body.mode === "default" ? null : body.mode);
  const inForce = modeInForce(peer.paths.snapshot(monotonicNow()));
  return { peer: name, network: network.membership.network.name, ...inForce };
}
