import { formatIpAddress, parseIpAddress } from "@asterism/core/addresses";
import type { CreateRelayRequest, RelayPorts } from "@asterism/core/control";
import { AsterismError } from "@asterism/core/errors";

/** RFC 8656 §18: UDP and TCP. */
const DEFAULT_RELAY_PORT = 3478;

export type RelayAuth =
  /** Time-limited credentials made from a secret that the relay knows too. */
  | { readonly kind: "secret"; readonly secret: string }
  /** One user for all members. */
  | { readonly kind: "user"; readonly username: string; readonly password: string };

export interface RelaySettings {
  /** Lower-case name, or numeric address in canonical form. */
  readonly host: string;
  readonly ports: RelayPorts;
  readonly auth: RelayAuth;
}

/** What a request to add a relay asks for, with the defaults filled in. Throws `invalid-input`. */
export function relaySettings(request: CreateRelayRequest): RelaySettings {
  return { host: relayHost(request.host), ports: relayPorts(request), auth: relayAuth(request) };
}

function relayHost(text: string): string {
  const host = text.trim().toLowerCase().replace(/\.$/, "");
  const address = parseIpAddress(host);
  if (address !== undefined) {
    const isMulticast = address.length === 4 ? (address[0] ?? 0) >= 224 : address[0] === 0xff;
    if (isMulticast || address.every((byte) => byte === 0)) throw invalid(`${host} is no address of one machine.`);
    return formatIpAddress(address);
  }
  // Digits and dots alone would be taken for an address in some old notation.
  const isName = /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/.test(host) && !/^[0-9.]+$/.test(host) && !host.includes("..");
  if (isName) return host;
  throw invalid(`"${text}" is neither a host name nor an IP address. Ports are given apart from it.`);
}

function relayPorts({ udpPort, tcpPort, tlsPort }: CreateRelayRequest): RelayPorts {
  const udp = udpPort === undefined ? DEFAULT_RELAY_PORT : udpPort;
  const ports = { udp, tcp: tcpPort === undefined ? udp : tcpPort, tls: tlsPort ?? null };
  if (ports.udp !== null || ports.tcp !== null || ports.tls !== null) return ports;
  throw invalid("The relay has no port: give one for UDP, TCP or TLS.");
}

function relayAuth({ secret, username, password }: CreateRelayRequest): RelayAuth {
  if (secret !== undefined && username === undefined && password === undefined) return { kind: "secret", secret };
  if (secret === undefined && username !== undefined && password !== undefined) {
    return { kind: "user", username, password };
  }
  throw invalid(
    "Say how members log in at the relay: either its shared secret (--secret), or a user (--username and --password).",
  );
}

function invalid(message: string): AsterismError<"invalid-input"> {
  return new AsterismError("invalid-input", message);
}
