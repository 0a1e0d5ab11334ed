import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { isServerUrl } from "@asterism/core/control";
import { AsterismError } from "@asterism/core/errors";

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Where a server listens unless told otherwise: every address of both families. */
export const DEFAULT_LISTEN = "[::]:443";

/** Reads `HOST:PORT`, `[IPV6]:PORT` or `:PORT`. Throws `invalid-input`. */
export function parseListen(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text.trim());
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new AsterismError(
      "invalid-input",
      `"${text}" is no address to listen on. Write it as HOST:PORT, e.g. 0.0.0.0:8443`,
    );
  }
  const host = match[1] ?? match[2] ?? "";
  return { host: host === "" || host === "*" ? "::" : host, port };
}

/** Reads a public URL; a slash at the end and upper case in the host are put right. Throws `invalid-input`. */
export function parsePublicUrl(text: string): string {
  const url = text.trim().toLowerCase().replace(/\/$/, "").replace(/:443$/, "");
  if (isServerUrl(url)) return url;
  throw new AsterismError(
    "invalid-input",
    `"${text}" is no public URL. Write it as https://host or https://host:port, without a path.`,
  );
}

/** The URL that agents on other machines can reach, as far as this machine can tell. */
export function guessPublicUrl(host: string, port: number): string {
  const reachable = isWildcard(host) ? (firstAddress() ?? "127.0.0.1") : host.toLowerCase();
  const shown = isIP(reachable) === 6 ? `[${reachable}]` : reachable;
  return port === 443 ? `https://${shown}` : `https://${shown}:${port}`;
}

export function isWildcard(host: string): boolean {
  return host === "::" || host === "0.0.0.0";
}

/** The host of a server URL, without brackets. */
export function urlHost(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, "");
}

/** First address of this machine that others may reach: IPv4 before IPv6, nothing loopback or link-local. */
function firstAddress(): string | undefined {
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  const usable = addresses.filter((entry) => !entry.internal && !/^(fe80:|169\.254\.)/i.test(entry.address));
  return (usable.find((entry) => entry.family === "IPv4") ?? usable[0])?.address;
}

/** Says in plain words why a server can't listen. */
export function listenError(address: ListenAddress, cause: NodeJS.ErrnoException, option = "--listen"): AsterismError {
  const where = `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
  if (cause.code === "EADDRINUSE") {
    return new AsterismError(
      "address-in-use",
      `${where} is taken by another program. Stop that, or choose another port: ${option} HOST:PORT`,
      { cause, details: { address: where } },
    );
  }
  if (cause.code === "EACCES" || cause.code === "EPERM") {
    return new AsterismError(
      "permission-denied",
      `Not allowed to listen on ${where}. Ports below 1024 need root (or CAP_NET_BIND_SERVICE); or choose a higher one: ${option} 0.0.0.0:8443`,
      { cause, details: { address: where } },
    );
  }
  if (cause.code === "EADDRNOTAVAIL" || cause.code === "ENOTFOUND") {
    return new AsterismError("invalid-input", `${where} is not an address of this machine.`, {
      cause,
      details: { address: where },
    });
  }
  return new AsterismError("internal", `Can't listen on ${where}: ${cause.message}`, { cause });
}

/** Whether the machine has IPv6 at all, without which `::` can't be listened on. */
export function lacksIpv6(cause: NodeJS.ErrnoException): boolean {
  return cause.code === "EAFNOSUPPORT" || cause.code === "EADDRNOTAVAIL" || cause.code === "EINVAL";
}
