export { type EchoReply, type EchoRequest, encodeEchoRequest, parseEchoReply } from "./icmp-echo.ts";
