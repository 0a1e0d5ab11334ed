export { type NetcheckFacts, netcheckReport } from "./netcheck-report.ts";
export { type PairObservation, PairTimings } from "./pair-timings.ts";
export { modeInForce, type PeerFacts, peerReport } from "./peer-report.ts";
export { relayName } from "./relay-name.ts";
