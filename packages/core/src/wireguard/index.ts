export {
  type PeerOptions,
  WireGuard,
  type WireGuardOptions,
  type WireGuardPeerState,
  type WireGuardTimeout,
} from "./device.ts";
export { WIREGUARD_DROP_REASONS, type WireGuardDropReason } from "./drop-reason.ts";
export type {
  HandshakeFailure,
  PeerHandle,
  SessionRole,
  WireGuardEvent,
  WireGuardTransmit,
} from "./events.ts";
export type { TimeoutReason } from "./peer.ts";
export { NO_TRAFFIC, type TrafficFacts } from "./timers.ts";
