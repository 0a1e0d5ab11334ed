import { createSocket } from "node:dgram";
import type { GatewayPlace } from "@asterism/core/port-mapping";

const GROUP = "239.255.255.250";
const PORT = 1_900;
/** Routers of version 2 answer to a search for version 1, but not all do (UPnP Device Architecture 1.1, §1.3.2). */
const TARGETS = [1, 2].map((version) => `urn:schemas-upnp-org:device:InternetGatewayDevice:${version}`);
const SEND_AGAIN_MS = 600;
const SEARCH_LIMIT_MS = 2_400;
const MAX_ANSWER_BYTES = 2_048;

/**
 * Finds the description of the router's UPnP device (SSDP); null if it does not answer. Only the router itself may
 * answer, and only with an address of its own: anybody on the LAN hears the question.
 */
export async function searchGatewayDevice(place: GatewayPlace): Promise<string | null> {
  const socket = createSocket("udp4");
  const { promise, resolve } = Promise.withResolvers<string | null>();
  socket.on("message", (bytes, { address }) => {
    const location = address === place.gateway ? readLocation(bytes, place.gateway) : undefined;
    if (location !== undefined) resolve(location);
  });
  socket.on("error", () => resolve(null));
  socket.bind({ address: place.local, port: 0 }, () => {
    try {
      socket.setMulticastInterface(place.local);
    } catch {
      // The address has just gone.
      resolve(null);
      return;
    }
    ask();
  });
  const ask = (): void => {
    for (const target of TARGETS) {
      const question = searchRequest(target);
      // What can't be sent is not answered, which the limit finds out.
      for (const address of [GROUP, place.gateway]) socket.send(question, PORT, address, () => undefined);
    }
  };
  const again = setTimeout(ask, SEND_AGAIN_MS);
  const limit = setTimeout(() => resolve(null), SEARCH_LIMIT_MS);
  const location = await promise;
  clearTimeout(again);
  clearTimeout(limit);
  socket.removeAllListeners("message").close();
  return location;
}

function searchRequest(target: string): string {
  const lines = ["M-SEARCH * HTTP/1.1", `HOST: ${GROUP}:${PORT}`, 'MAN: "ssdp:discover"', "MX: 1", `ST: ${target}`];
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function readLocation(bytes: Uint8Array, gateway: string): string | undefined {
  if (bytes.length > MAX_ANSWER_BYTES) return undefined;
  const text = new TextDecoder().decode(bytes);
  if (!text.startsWith("HTTP/1.1 200") || !text.includes("InternetGatewayDevice")) return undefined;
  const location = /^location:[ \t]*(\S+)/im.exec(text)?.[1];
  return location !== undefined && isOfGateway(location, gateway) ? location : undefined;
}

/** A plain HTTP URL on the router, whatever port. */
export function isOfGateway(url: string, gateway: string): boolean {
  const parsed = URL.parse(url);
  return parsed !== null && parsed.protocol === "http:" && parsed.hostname === gateway;
}
