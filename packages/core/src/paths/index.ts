export { type AddressClass, classifyAddress, isOfferable } from "./address-class.ts";
export {
  CallBox,
  type CallCrypto,
  type CallDropReason,
  MAX_CALL_BYTES,
  MAX_CALL_SKEW_MS,
  type OpenedCall,
  sealedCallBytes,
} from "./call.ts";
export { type CallBody, type CallType, encodedCallBytes } from "./call-body.ts";
export {
  type CandidateKind,
  candidatePriority,
  type LinkTraits,
  type LocalCandidate,
  linkPreferenceOf,
  MAX_CANDIDATES,
  MIN_DATAGRAM_PREFERENCE,
  offeredCandidates,
  type RemoteCandidate,
  STREAM_PREFERENCE,
} from "./candidate.ts";
export { TargetBudget } from "./check-budget.ts";
export { checkIdOf } from "./check-id.ts";
export { type CheckId, derivePairKeys, type PairKeys } from "./check-keys.ts";
export { PunchTurn } from "./hard-nat/punch-turn.ts";
export type { PunchRecord, PunchSnapshot } from "./hard-nat/punch-types.ts";
export { offerPorts, predictionsOf } from "./offered-ports.ts";
export type {
  ActivePath,
  AttemptRecord,
  PathChangeRecord,
  PathDropReason,
  PathKind,
  PathSnapshot,
  PathState,
  PathTimerReason,
  PeerPathsEvent,
  PeerPathsSnapshot,
  UsablePath,
} from "./path-types.ts";
export { PeerPaths, type PeerPathsOptions } from "./peer-paths.ts";
export type { ChannelPlace } from "./relay-channels.ts";
export { SILENCE_SEEN_MS } from "./timings.ts";
export { TokenBucket } from "./token-bucket.ts";
export {
  type ModeDecision,
  type ModeSettings,
  MULTIPATH_CAPABILITY,
  parseTrafficMode,
  TRAFFIC_MODES,
  type TrafficMode,
} from "./traffic-mode.ts";
