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
  type StunMessage,
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

interface ServerSocket extends UdpAddress {
  readonly linkId: number;
}

/** From where none of these servers ever answers. */
const NOWHERE = "192.0.2.250";

/** A public STUN server with RFC 5780, as far as its addresses and ports go. */
export function runBehaviourServer(net: VirtualInternet, options: BehaviourServerOptions): UdpAddress[] {
  const host = net.host(options.name ?? "stun");
  const sockets: ServerSocket[] = [];
  for (const address of options.addresses) {
    const made = host.connect(net.public, { ipv4: address });
    for (const port of options.ports) sockets.push({ linkId: host.openSocket(made, port), address, port });
  }
  const answers: { to: PathAddress; bytes: Uint8Array }[] = [];
  host.run({
    handleDatagram(bytes: Uint8Array, from: PathAddress): boolean {
      const parsed = looksLikeStun(bytes) ? parseStun(bytes) : undefined;
      const asked = sockets.find(({ linkId }) => linkId === from.linkId);
      if (parsed?.ok !== true || parsed.message.class !== "request" || asked === undefined) return false;
      const { transactionId } = parsed.message;
      const other = otherAddress(options, asked);
      const attributes: { type: number; value: Uint8Array }[] = [
        { type: STUN_ATTRIBUTE.xorMappedAddress, value: encodeXorAddress(from.remote, transactionId) },
      ];
      if (options.kind !== "ignores") {
        attributes.push({ type: STUN_ATTRIBUTE.otherAddress, value: encodeAddress(other) });
      }
      const origin = options.kind === "ignores" ? asked : originOf(parsed.message, asked, other);
      const socket = sockets.find(({ address, port }) => address === origin.address && port === origin.port);
      if (socket === undefined) return true;
      const to = { ...from, linkId: socket.linkId };
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

function otherAddress({ addresses, ports, kind }: BehaviourServerOptions, asked: UdpAddress): UdpAddress {
  const address = addresses.find((candidate) => candidate !== asked.address) ?? asked.address;
  const port = ports.find((candidate) => candidate !== asked.port) ?? asked.port;
  return { address: kind === "lies" ? NOWHERE : address, port };
}

/** Where the request wants its answer to come from. */
function originOf(request: StunMessage, asked: UdpAddress, other: UdpAddress): UdpAddress {
  const value = findAttribute(request, STUN_ATTRIBUTE.changeRequest);
  const change = value === undefined ? undefined : parseChangeRequest(value);
  return {
    address: change?.changeIp === true ? other.address : asked.address,
    port: change?.changePort === true ? other.port : asked.port,
  };
}
