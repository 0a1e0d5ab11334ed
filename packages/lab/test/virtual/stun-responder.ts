import type { PathAddress } from "@asterism/core/net";
import { encodeStun, encodeXorAddress, looksLikeStun, parseStun, STUN_ATTRIBUTE } from "@asterism/core/stun";
import type { Instant } from "@asterism/core/time";
import type { VirtualInternet } from "../../src/virtual-internet/virtual-internet.ts";

/** A public STUN server (RFC 8489 Binding only). */
export function runStunServer(net: VirtualInternet, ipv4: string, port = 3478): void {
  const host = net.host("stun");
  host.openSocket(host.connect(net.public, { ipv4 }), port);
  const answers: { to: PathAddress; bytes: Uint8Array }[] = [];
  host.run({
    handleDatagram(bytes: Uint8Array, from: PathAddress): boolean {
      const parsed = looksLikeStun(bytes) ? parseStun(bytes) : undefined;
      if (parsed?.ok !== true || parsed.message.class !== "request") return false;
      const { transactionId } = parsed.message;
      const value = encodeXorAddress(from.remote, transactionId);
      const attributes = [{ type: STUN_ATTRIBUTE.xorMappedAddress, value }];
      answers.push({ to: from, bytes: encodeStun({ class: "success", method: 1, transactionId, attributes }) });
      return true;
    },
    handleTimeout(_now: Instant): void {
      // It has no timers.
    },
    pollTimeout: () => undefined,
    pollTransmit: () => answers.shift(),
  });
}
