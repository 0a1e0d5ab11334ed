import { type Static, Type } from "typebox";
import { nullable, TrafficModeName } from "../control/scalars.ts";

/** What a path does while packets are spread over several, as the peer's reports tell. */
export const PathSpread = Type.Object({
  /** What the path was found to carry, or its limit; null while too little was sent by it to tell. */
  rateBitsPerSecond: nullable(Type.Number()),
  /** With the wait in queues. */
  rttMs: Type.Number(),
  /** Wait in the path's bottleneck. */
  queueingMs: Type.Number(),
  /** On this path, since it is in use. */
  lostPackets: Type.Number(),
  /** By this path, of what got lost on any. */
  resentPackets: Type.Number(),
  /** Share of the packets sent by the path that got lost, 0–1; the last 10 s of traffic count most. */
  lossRatio: Type.Number(),
  /** Nothing arrives by it just now. */
  dead: Type.Boolean(),
});
export type PathSpread = Static<typeof PathSpread>;

/**
 * Who says in which mode packets travel: a command here, one at the peer, the network's default, nobody; or that the peer
 * understands nothing else.
 */
export const ModeReason = Type.Enum(["command", "peer", "network", "default", "incapable"] as const);
export type ModeReason = Static<typeof ModeReason>;

/** In which mode packets for a peer travel. */
export const ModeInForce = Type.Object({
  mode: TrafficModeName,
  by: ModeReason,
  /** What was chosen here for this peer, null if nothing. */
  chosen: nullable(TrafficModeName),
  /** The network's default, null if the server names none. */
  networkDefault: nullable(TrafficModeName),
});
export type ModeInForce = Static<typeof ModeInForce>;
