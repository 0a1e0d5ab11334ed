import { existsSync, readFileSync } from "node:fs";

/** False on a kernel that was built or started without IPv6: sockets of the family can't be opened then. */
export function kernelHasIpv6(): boolean {
  return existsSync("/proc/net/if_inet6");
}

/** Whether an interface may have IPv6 addresses; many servers switch that off for all interfaces. */
export function isIpv6Enabled(interfaceName: string): boolean {
  try {
    return readFileSync(`/proc/sys/net/ipv6/conf/${interfaceName}/disable_ipv6`, "utf8").trim() === "0";
  } catch {
    return false; // the kernel has no IPv6
  }
}
