export { deviceFqdn, isLabel, toDeviceName } from "./device-name.ts";
export {
  encodeJoinKey,
  FINGERPRINT_BYTES,
  formatFingerprint,
  isServerUrl,
  JOIN_KEY_PREFIX,
  type JoinKey,
  KEY_SECRET_BYTES,
  parseFingerprint,
  parseJoinKey,
} from "./join-key.ts";
export {
  AgentPeerInfo,
  MAX_NETWORK_MEMBERS,
  NetworkInfo,
  PeerInfo,
  RecordText,
  SelfInfo,
  StockPeerInfo,
} from "./network-map.ts";
export {
  MAX_NODE_RECORD_CHARACTERS,
  type MachineSign,
  NodeRecord,
  type SignedNodeRecord,
  signNodeRecord,
  verifyNodeRecord,
} from "./node-record.ts";
export { createParser, type Parser, parseJson } from "./parse.ts";
export { controlProofBytes, joinProofBytes, leaveProofBytes } from "./proofs.ts";
export { agreeOnProtocol, OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION } from "./protocol-version.ts";
export {
  JOIN_PATH,
  JOIN_PREVIEW_PATH,
  JoinPreviewRequest,
  JoinPreviewResponse,
  JoinRequest,
  JoinResponse,
  LEAVE_PATH,
  LeaveRequest,
  parseJoinPreviewRequest,
  parseJoinPreviewResponse,
  parseJoinRequest,
  parseJoinResponse,
  parseLeaveRequest,
} from "./rest.ts";
export { NetworkKind } from "./scalars.ts";
export {
  type AgentMessage,
  AUTHENTICATE_TIMEOUT_MS,
  AuthenticatedMessage,
  AuthenticateMessage,
  CallFailedMessage,
  CLOSE_CODES,
  CONTROL_PATH,
  DeltaMessage,
  DoneMessage,
  ErrorMessage,
  HelloMessage,
  IncomingCallMessage,
  LeaveMessage,
  MAX_AGENT_MESSAGE_BYTES,
  MAX_SEALED_CHARACTERS,
  MAX_SERVER_MESSAGE_BYTES,
  MapMessage,
  OutgoingCallMessage,
  PING_INTERVAL_MS,
  PingMessage,
  PongMessage,
  PresenceMessage,
  parseAgentMessage,
  parseServerMessage,
  RecordMessage,
  RenameMessage,
  RestartingMessage,
  type ServerMessage,
  STREAM_WATCHDOG_MS,
} from "./stream.ts";
