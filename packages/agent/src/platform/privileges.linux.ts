import { accessSync, constants, readFileSync } from "node:fs";
import { AsterismError } from "@asterism/core/errors";

const CAP_NET_ADMIN_BIT = 12n;

/**
 * Whether this process may make interfaces and routes.
 * @throws AsterismError `not-root`, `no-tun`
 */
export function checkHostPrivileges(): void {
  if (!hasNetAdmin()) {
    throw new AsterismError(
      "not-root",
      "the agent makes a network interface and needs root (or the capability CAP_NET_ADMIN): start it with sudo, or as a service.",
    );
  }
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
  } catch (cause) {
    throw new AsterismError(
      "no-tun",
      "/dev/net/tun is missing or not usable. Load the module (`modprobe tun`); in a container pass the device in (--device /dev/net/tun).",
      { cause },
    );
  }
}

function hasNetAdmin(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_NET_ADMIN_BIT) & 1n) === 1n;
}
