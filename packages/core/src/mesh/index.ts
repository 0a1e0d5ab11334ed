export type { CallWays } from "./call-log.ts";
export type { Aead, MeshEffect, MeshPath, MeshSession } from "./effects.ts";
export { Mesh, type MeshOptions } from "./mesh.ts";
export type { ChosenModes } from "./mesh-modes.ts";
export type { MeshPeer } from "./mesh-peer.ts";
export { type Pin, type RefusedPeer, Roster, type VerifiedPeer } from "./roster.ts";
export { SENDING_LOOK_MS, TRAFFIC_LOOK_MS, TrafficLooks } from "./traffic-looks.ts";
