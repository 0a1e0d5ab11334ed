export type { JoinAnswer, ModeAnswer, NetworksAnswer, PingAnswer } from "./answers.ts";
export {
  NatSide,
  PathAttempt,
  PathChange,
  PathWords,
  PeerExplanation,
  PunchAttempt,
  Punching,
  TriedPath,
} from "./explanation.ts";
export {
  type LinkPath,
  LinkSettings,
  type LinkStatus,
  type LinksAnswer,
  LinksBody,
  LinkUse,
  MAX_LINKS_DESCRIBED,
  type NetworkLinks,
} from "./links.ts";
export {
  Advice,
  LinkCheck,
  NetcheckAnswer,
  NetworkCheck,
  NextPorts,
  PortMappingCheck,
  ProxyCheck,
  RelayCheck,
  StunServerCheck,
} from "./netcheck.ts";
export { ModeInForce, type ModeReason, PathSpread } from "./path-use.ts";
export { ExplainBody, JoinBody, ModeBody, NetworkBody, PingBody } from "./requests.ts";
export type {
  ActivePathStatus,
  AgentStatus,
  NatStatus,
  NetworkState,
  NetworkStatus,
  PathKind,
  PathStatus,
  PeerStatus,
  SelfStatus,
  ServerStatus,
} from "./status.ts";
