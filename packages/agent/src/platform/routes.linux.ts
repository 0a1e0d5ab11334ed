import { parseIpRange, rangesOverlap } from "@asterism/core/addresses";
import { AsterismError } from "@asterism/core/errors";
import { runIp } from "./ip-command.linux.ts";

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
 * Gives the interface its addresses, brings it up and routes the network's ranges to it.
 *
 * The main table gets the range with a metric of the interface's own, and a table of its own holds the same route for
 * packets *from* the node's overlay address: so several agents on one host may be in the same network, and each
 * answers by its own interface.
 *
 * Addresses, routes and rules by interface vanish with the interface; only the rules need `removeOverlayRules`.
 */
export async function applyOverlayRoutes(overlay: OverlayRoutes): Promise<void> {
  const { interfaceName: dev, interfaceIndex } = overlay;
  const table = TABLE_BASE + interfaceIndex;
  const lines = [`link set dev ${dev} mtu ${overlay.mtuBytes} up`];
  for (const { family, address, range } of families(overlay)) {
    const source = family === "-4" ? ` src ${address}` : "";
    lines.push(
      `${family} address add ${address}/${family === "-4" ? 32 : 128} dev ${dev}${family === "-6" ? " nodad" : ""}`,
      `${family} route add ${range} dev ${dev} metric ${ROUTE_METRIC_BASE + interfaceIndex}${source}`,
      `${family} route add ${range} dev ${dev} table ${table}${source}`,
      `${family} rule add from ${address} lookup ${table} priority ${RULE_PRIORITY}`,
    );
  }
  await removeOverlayRules(overlay);
  await runIp(["-batch", "-"], `${lines.join("\n")}\n`);
}

/** Removes the source rules; a rule that is not there is fine (it may be left from a crash, or gone). */
export async function removeOverlayRules(overlay: OverlayRoutes): Promise<void> {
  const lines = families(overlay).map(
    ({ family, address }) => `${family} rule del from ${address} priority ${RULE_PRIORITY}`,
  );
  if (lines.length === 0) return;
  try {
    await runIp(["-force", "-batch", "-"], `${lines.join("\n")}\n`);
  } catch {
    // `-force` goes on after a rule that is not there and still exits with an error.
  }
}

function families(overlay: OverlayRoutes): { family: "-4" | "-6"; address: string; range: string }[] {
  const list: { family: "-4" | "-6"; address: string; range: string }[] = [];
  if (overlay.ipv4 !== null && overlay.ipv4Range !== null) {
    list.push({ family: "-4", address: overlay.ipv4, range: overlay.ipv4Range });
  }
  if (overlay.ipv6 !== null && overlay.ipv6Range !== null) {
    list.push({ family: "-6", address: overlay.ipv6, range: overlay.ipv6Range });
  }
  return list;
}

/**
 * Refuses a network whose ranges overlap with what the host routes elsewhere.
 * The default route is no conflict, nor are routes of overlay interfaces in `ignoreInterfaces` or of other agents.
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
