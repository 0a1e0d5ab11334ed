/**
 * Every failure that a person, a script or another part of Asterism can meet, in one table.
 *
 * `meaning` is the short title; the message of an error says what to do in the case at hand.
 * `exitCode` is the contract's: 1 failed, 2 usage, 3 not connected. `retryable` tells a machine whether the same
 * request may succeed later without anyone changing anything.
 */
export interface ErrorTableEntry {
  readonly meaning: string;
  readonly httpStatus: number;
  readonly exitCode: 1 | 2 | 3;
  readonly retryable: boolean;
}

function entry(meaning: string, httpStatus: number, options: Partial<ErrorTableEntry> = {}): ErrorTableEntry {
  return { meaning, httpStatus, exitCode: 1, retryable: false, ...options };
}

export const ERROR_TABLE = {
  // Joining
  "join-key-invalid": entry("The join key is not a join key, or was damaged while being copied", 400, { exitCode: 2 }),
  "join-key-unknown": entry("The server does not know this join key, or it was revoked", 403),
  "join-key-expired": entry("The join key has expired", 403),
  "join-key-used": entry("The join key was for one machine, and another has used it", 403),
  "already-member": entry("This machine is a member of the network already", 409),
  "name-taken": entry("Another device of the network has this name", 409),
  "range-conflict": entry("The network's address range overlaps one that is in use", 409),
  "address-range-full": entry("No address is free in the network's range", 507),
  "limit-reached": entry("The server holds as many of these as it can", 507),
  "record-stale": entry("A newer node record of this machine is known", 409),
  "signature-invalid": entry("A signature does not fit the machine key", 403),
  // Talking to the server
  "fingerprint-mismatch": entry("The server's certificate is not the one that was pinned", 502),
  "server-unreachable": entry("The server can't be reached", 503, { retryable: true }),
  "protocol-unsupported": entry("The two sides have no version of the protocol in common", 426),
  "device-removed": entry("The device is not a member of the network any more", 403),
  "stream-replaced": entry("A newer control stream of the same device has taken over", 409, { retryable: true }),
  "server-busy": entry("The server can't take more work at the moment", 503, { retryable: true }),
  "rate-limited": entry("Too many requests", 429, { retryable: true }),
  // Requests of all kinds
  "not-authorised": entry("The credentials are missing, wrong, or not enough for this", 401),
  "not-found": entry("There is no such thing", 404),
  "invalid-input": entry("The request is malformed", 400, { exitCode: 2 }),
  "too-large": entry("The message is larger than allowed", 413),
  "not-supported": entry("This version can't do that", 501, { exitCode: 2 }),
  "in-use": entry("Something else depends on it", 409),
  timeout: entry("No answer came in time", 504, { retryable: true }),
  internal: entry("Something went wrong that should not have", 500),
  // The host
  "not-root": entry("Root rights are needed", 403),
  "no-tun": entry("The host has no usable /dev/net/tun", 501),
  "interface-failed": entry("The network interface could not be set up", 500),
  "engine-missing": entry("The packet engine could not be loaded", 501),
  "state-locked": entry("Another process uses the same data folder", 409),
  "state-damaged": entry("A state file can't be read", 500),
  "address-in-use": entry("The address or port to listen on is taken", 409),
  "permission-denied": entry("The operating system refused", 403),
  // The local API
  "agent-not-running": entry("No agent answers at the socket", 503, { exitCode: 3, retryable: true }),
  "not-connected": entry("The agent is not connected", 503, { exitCode: 3, retryable: true }),
  "peer-unknown": entry("No peer goes by this name or address", 404),
  "network-unknown": entry("There is no such network", 404),
  "passphrase-wrong": entry("The peer uses a different passphrase", 403),
} as const satisfies Record<string, ErrorTableEntry>;

export type ErrorCode = keyof typeof ERROR_TABLE;

export const ERROR_CODES = Object.keys(ERROR_TABLE) as readonly ErrorCode[];

export function isErrorCode(text: unknown): text is ErrorCode {
  return typeof text === "string" && Object.hasOwn(ERROR_TABLE, text);
}
