import type { PathAddress, UdpAddress } from "@asterism/core/net";
import {
  encodeAddress,
  encodeStun,
  encodeXorAddress,
  findAttribute,
  looksLikeStun,
  parseChangeRequest,
  parseStun,
  STUN_ATTRIBUTE,
} from "@asterism/core/stun";
import type { VirtualInternet } from "../../src/virtual-internet/virtual-internet.ts";

export interface BehaviourServerOptions {
  readonly name?: string;
  /** One, or two for the whole of RFC 5780. */
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
  /**
   * `changes` answers from elsewhere when asked to; `ignores` knows nothing of RFC 5780; `lies` claims another address
   * from which nothing ever comes.
   */
  readonly kind: "changes" | "ignores" | "lies";
}

/** A public STUN server with RFC 5780, as far as its addresses and ports go. */
export function runBehaviourServer(net: VirtualInternet, options: BehaviourServerOptions): UdpAddress[] {
  const host = net.host(options.name ?? "stun");
  const sockets: { linkId: number; address: string; port: number }[] = [];
  for (const address of options.addresses) {
    const made = host.connect(net.public, { ipv4: address });
    for (const port of options.ports) sockets.push({ linkId: host.openSocket(made, port), address, port });
  }
  const other = (value: string, values: readonly string[]): string => values.find((v) => v !== value) ?? value;
  const otherPort = (port: number): number => options.ports.find((candidate) => candidate !== port) ?? port;
  const answers: { to: PathAddress; bytes: Uint8Array }[] = [];
  host.run({
    handleDatagram(bytes: Uint8Array, from: PathAddress): boolean {
      const parsed = looksLikeStun(bytes) ? parseStun(bytes) : undefined;
      const asked = sockets.find(({ linkId }) => linkId === from.linkId);
      if (parsed?.ok !== true || parsed.message.class !== "request" || asked === undefined) return false;
      const { transactionId } = parsed.message;
      const otherAddress = other(asked.address, options.addresses);
      const attributes = [
        { type: STUN_ATTRIBUTE.xorMappedAddress, value: encodeXorAddress(from.remote, transactionId) },
      ];
      let answersFrom = asked;
      if (options.kind !== "ignores") {
        const address = options.kind === "lies" ? "192.0.2.250" : otherAddress;
        const value = encodeAddress({ address, port: otherPort(asked.port) });
        attributes.push({ type: STUN_ATTRIBUTE.otherAddress, value });
        const request = findAttribute(parsed.message, STUN_ATTRIBUTE.changeRequest);
        const change = request === undefined ? undefined : parseChangeRequest(request);
        const isImpossible = change?.changeIp === true && options.kind === "lies";
        if (isImpossible) return true;
        const wanted = {
          address: change?.changeIp === true ? otherAddress : asked.address,
          port: change?.changePort === true ? otherPort(asked.port) : asked.port,
        };
        answersFrom = sockets.find((s) => s.address === wanted.address && s.port === wanted.port) ?? asked;
      }
      const to = { ...from, linkId: answersFrom.linkId };
      answers.push({ to, bytes: encodeStun({ class: "success", method: 1, transactionId, attributes }) });
      return true;
    },
    handleTimeout() {
      // It has no timers.
    },
    pollTimeout: () => undefined,
    pollTransmit: () => answers.shift(),
  });
  return sockets.map(({ address, port }) => ({ address, port }));
}
