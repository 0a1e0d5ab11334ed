export {
  type AgentMessage,
  encodeAgentMessage,
  looksLikeAgentMessage,
  MAX_FORWARDED_CALL_BYTES,
  parseAgentMessage,
} from "./agent-message.ts";
export { type EchoReply, type EchoRequest, encodeEchoRequest, parseEchoReply } from "./icmp-echo.ts";
