export { type NetcheckFacts, netcheckReport } from "./netcheck-report.ts";
export { type PeerFacts, peerReport } from "./peer-report.ts";
export { relayName } from "./relay-name.ts";
