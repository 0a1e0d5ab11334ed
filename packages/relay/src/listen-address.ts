import { parseIpAddress } from "@asterism/core/addresses";
import { AsterismError } from "@asterism/core/errors";
import type { ListenAddress } from "./options.ts";

/** Reads `HOST:PORT`, `[IPV6]:PORT` or `:PORT` (every address), with a numeric host. Throws `invalid-input`. */
export function parseListenAddress(text: string, option: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text.trim());
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2] ?? "";
  const isEvery = host === "" || host === "*";
  if (match === null || port > 65_535 || (!isEvery && parseIpAddress(host) === undefined)) {
    throw new AsterismError(
      "invalid-input",
      `"${text}" is no address to listen on. Write it as HOST:PORT with a numeric host, e.g. ${option} 0.0.0.0:3478`,
    );
  }
  return { host: isEvery ? "::" : host, port };
}
