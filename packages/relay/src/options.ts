import { type IpRange, parseIpRange } from "@asterism/core/addresses";
import { AsterismError } from "@asterism/core/errors";
import { classifyAddress } from "@asterism/core/paths";

export interface RelayOptions {
  /** Where to accept clients over UDP and TCP; a host of `::` or `0.0.0.0` stands for every address. Port 0: any free one. */
  readonly listen: readonly ListenAddress[];
  /** Where to accept clients over TLS; needs `tls`. */
  readonly tlsListen?: readonly ListenAddress[];
  readonly tls?: { readonly certificatePem: string; readonly keyPem: string };
  /** Shared secret of the TURN REST scheme, by which credentials are made and checked. */
  readonly secret: string;
  /** Default `asterism`; at most `MAX_REALM_BYTES` long. */
  readonly realm?: string;
  /** Ports of relayed addresses; default 49152–65535. */
  readonly minPort?: number;
  readonly maxPort?: number;
  /** Ranges in CIDR notation that clients may reach though they are not public. */
  readonly allowPeers?: readonly string[];
  /** Public IPv4 address of a host behind a one-to-one NAT; told to clients in place of the host's own. */
  readonly externalIpv4?: string;
  /** Default 10,000. */
  readonly maxAllocations?: number;
  /** Default 64. */
  readonly maxAllocationsPerUser?: number;
  /** Of a user, in each direction; default 0: unlimited. */
  readonly userBytesPerSecond?: number;
  /** TCP and TLS connections together, default 10,000; of one address, default 256. */
  readonly maxConnections?: number;
  readonly maxConnectionsPerSource?: number;
  readonly log?: (level: "info" | "warn", message: string, details?: Readonly<Record<string, unknown>>) => void;
}

export interface ListenAddress {
  /** Numeric. */
  readonly host: string;
  readonly port: number;
}

export const DEFAULT_REALM = "asterism";
export const DEFAULT_PORT = 3478;
const DEFAULT_MIN_PORT = 49_152;
const DEFAULT_MAX_PORT = 65_535;

/** What has room beside the nonce in an answer of three times an Allocate request's 28 bytes. */
const MAX_REALM_BYTES = 32;

export interface CheckedOptions {
  readonly realm: string;
  readonly ports: { readonly min: number; readonly max: number };
  readonly allowPeers: readonly IpRange[];
}

/** Throws `invalid-input` with what to write instead. */
export function checkOptions(options: RelayOptions): CheckedOptions {
  const realm = options.realm ?? DEFAULT_REALM;
  if (realm === "" || Buffer.byteLength(realm) > MAX_REALM_BYTES || !/^[\x20-\x7e]+$/.test(realm)) {
    throw invalid(`The realm "${realm}" must be ASCII of 1 to ${MAX_REALM_BYTES} characters: --realm example.org`);
  }
  if (options.secret.length < 8) {
    throw invalid("The relay's secret is too short to be one: give at least 8 characters.");
  }
  const min = options.minPort ?? DEFAULT_MIN_PORT;
  const max = options.maxPort ?? DEFAULT_MAX_PORT;
  if (!isPort(min) || !isPort(max) || max < min) {
    throw invalid(`${min}–${max} is no range of ports. Give ports from 1 to 65535, --min-port not above --max-port.`);
  }
  if (options.externalIpv4 !== undefined && !isIpv4(options.externalIpv4)) {
    throw invalid(`"${options.externalIpv4}" is no IPv4 address. Write it as 203.0.113.7.`);
  }
  return { realm, ports: { min, max }, allowPeers: (options.allowPeers ?? []).map(readRange) };
}

function readRange(text: string): IpRange {
  const range = parseIpRange(text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`);
  if (range === undefined) throw invalid(`"${text}" is no range of addresses. Write it as 192.0.2.0/24.`);
  return range;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

function isIpv4(text: string): boolean {
  return !text.includes(":") && classifyAddress(text) !== "invalid";
}

function invalid(message: string): AsterismError {
  return new AsterismError("invalid-input", message);
}
