import { parseIpRange, rangesOverlap } from "@asterism/core/addresses";
import { AsterismError } from "@asterism/core/errors";
import { runIp } from "./ip-command.linux.ts";
import { isIpv6Enabled } from "./ipv6.linux.ts";

/** What one overlay network needs of the host's addresses and routes. */
export interface OverlayRoutes {
  readonly interfaceName: string;
  readonly interfaceIndex: number;
  readonly mtuBytes: number;
  /** This node's overlay addresses, without prefix length. */
  readonly ipv4: string | null;
  readonly ipv6: string | null;
  /** The network's ranges, `100.64.0.0/10`. */
  readonly ipv4Range: string | null;
  readonly ipv6Range: string | null;
}

interface HostRoute {
  readonly dst: string;
  readonly dev?: string;
  readonly type?: string;
  readonly table?: string;
}

/** Overlay interfaces have names like these; routes over one that another agent owns are no conflict. */
const OVERLAY_INTERFACE = /^ast\d+$/;

/** Routing tables of overlays are numbered from here by interface index, so that two never share one. */
const TABLE_BASE = 0x4153_0000;
/** Before the main table's rule (32766), behind the local table's (0). */
const RULE_PRIORITY = 20_000;
const ROUTE_METRIC_BASE = 10_000;

/**
 * Gives the interface its addresses (only IPv4 where the host has IPv6 switched off), brings it up and routes the
 * network's ranges to it.
 *
 * The main table gets the range with a metric of the interface's own, and a table of its own holds the same route for
 * packets *from* the node's overlay address: so several agents on one host may be in the same network, and each
 * answers by its own interface.
 *
 * Addresses, routes and rules by interface vanish with the interface; only the rules need `removeOverlayRules`.
 */
export async function applyOverlayRoutes(overlay: OverlayRoutes): Promise<void> {
  const { interfaceName: dev, interfaceIndex } = overlay;
  await removeOverlayRules(overlay);
  await runIp(["link", "set", "dev", dev, "mtu", String(overlay.mtuBytes), "up"]);
  const usable = isIpv6Enabled(dev) ? overlay : { ...overlay, ipv6: null };
  await forEachFamily(usable, async ({ family, address, range }) => {
    const table = TABLE_BASE + interfaceIndex;
    const host = family === "-4" ? `${address}/32` : `${address}/128`;
    const via = await nexthopOf(family, overlay);
    const lines = [
      `address add ${host} dev ${dev}${family === "-6" ? " nodad" : ""}`,
      `route add ${range} ${via} metric ${ROUTE_METRIC_BASE + interfaceIndex} src ${address}`,
      `route add ${range} ${via} table ${table} src ${address}`,
      `rule add from ${address} lookup ${table} priority ${RULE_PRIORITY}`,
    ];
    await runIp([family, "-batch", "-"], `${lines.join("\n")}\n`);
  });
}

/**
 * How both routes name the interface: by one nexthop object, so that what is learnt about a destination (the MTU of its
 * path, which the engine reports by ICMP) holds for packets without a source address, too. Linux before 5.3 has no such
 * objects, and with IPv6 they lose what TCP has learnt.
 */
async function nexthopOf(family: "-4" | "-6", { interfaceName, interfaceIndex }: OverlayRoutes): Promise<string> {
  if (family === "-6") return `dev ${interfaceName}`;
  const id = TABLE_BASE + interfaceIndex;
  try {
    await runIp([family, "nexthop", "replace", "id", String(id), "dev", interfaceName]);
    return `nhid ${id}`;
  } catch {
    return `dev ${interfaceName}`;
  }
}

/** Removes the source rules; a rule that is not there is fine (it may be left from a crash, or gone). */
export async function removeOverlayRules(overlay: OverlayRoutes): Promise<void> {
  await forEachFamily(overlay, async ({ family, address }) => {
    try {
      await runIp([family, "rule", "del", "from", address, "priority", String(RULE_PRIORITY)]);
    } catch {
      // there was none
    }
  });
}

interface FamilyAddress {
  /** The option of `ip` for the family. */
  readonly family: "-4" | "-6";
  readonly address: string;
  readonly range: string;
}

async function forEachFamily(overlay: OverlayRoutes, run: (part: FamilyAddress) => Promise<void>): Promise<void> {
  const { ipv4, ipv6, ipv4Range, ipv6Range } = overlay;
  const parts: FamilyAddress[] = [];
  if (ipv4 !== null && ipv4Range !== null) parts.push({ family: "-4", address: ipv4, range: ipv4Range });
  if (ipv6 !== null && ipv6Range !== null) parts.push({ family: "-6", address: ipv6, range: ipv6Range });
  await Promise.all(parts.map(run));
}

/**
 * Refuses a network whose ranges overlap with what the host routes elsewhere.
 * The default route is no conflict, nor are routes over the interfaces of other agents on this host; those over this agent's own are.
 *
 * @throws AsterismError `range-conflict`
 */
export async function checkRangeConflict(
  networkName: string,
  ranges: readonly string[],
  ownInterfaces: ReadonlySet<string>,
): Promise<void> {
  const routes = await listHostRoutes();
  for (const route of routes) {
    if (route.dev !== undefined && OVERLAY_INTERFACE.test(route.dev) && !ownInterfaces.has(route.dev)) continue;
    const conflict = ranges.find((range) => overlaps(range, route.dst));
    if (conflict === undefined) continue;
    throw new AsterismError(
      "range-conflict",
      `the range ${conflict} of network "${networkName}" overlaps with this host's route ${route.dst}` +
        `${route.dev === undefined ? "" : ` over ${route.dev}`}. Nothing was changed. Remove that route, or create a ` +
        "network with another range on the server (asterism admin network create NAME --ipv4 CIDR) and join that one.",
    );
  }
}

async function listHostRoutes(): Promise<HostRoute[]> {
  const outputs = await Promise.all(
    ["-4", "-6"].map((family) => runIp([family, "-json", "route", "show", "table", "all"])),
  );
  return outputs
    .flatMap((text) => (text.trim() === "" ? [] : (JSON.parse(text) as HostRoute[])))
    .filter((route) => route.dst !== "default" && !["multicast", "broadcast", "anycast"].includes(route.type ?? ""));
}

function overlaps(range: string, dst: string): boolean {
  const a = parseIpRange(range);
  const b = parseIpRange(dst.includes("/") ? dst : `${dst}/${dst.includes(":") ? 128 : 32}`);
  return a !== undefined && b !== undefined && b.prefixBits > 0 && rangesOverlap(a, b);
}
