import { formatIpAddress, type IpAddressBytes, parseIpAddress } from "@asterism/core/addresses";
import { AsterismError } from "@asterism/core/errors";
import type { LinkSettings } from "@asterism/core/local-api";
import { MIN_LINK_CAP_BYTES_PER_SECOND } from "@asterism/core/net";
import { classifyAddress } from "@asterism/core/paths";
import { interfaceWithAddress } from "../platform/host-addresses.ts";
import { mergeSettings, UNBOUND } from "./wanted-links.ts";

const MAX_INTERFACE_NAME_BYTES = 15;
const MIN_CAP_BITS = 8 * MIN_LINK_CAP_BYTES_PER_SECOND;
const LEADS_OUT = "Name an interface or an address that leads out; `ip -brief address` lists them";

/**
 * The settings after a change, with addresses in their usual form.
 * @throws AsterismError `invalid-input` for what can be no link of this host, and for costs and limits of what is no link
 */
export function changeLinkSettings(
  before: LinkSettings,
  change: LinkSettings,
  ownInterfaces: ReadonlySet<string>,
): LinkSettings {
  const { use, costs, capsBitsPerSecond } = change;
  const check = (name: string): string => checkName(name, ownInterfaces);
  const byName = (values: Readonly<Record<string, number>>): Record<string, number> =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [check(name), value]));
  const checked = {
    ...(use === undefined ? {} : { use: typeof use === "string" ? use : [...new Set(use.map(check))] }),
    ...(costs === undefined ? {} : { costs: byName(costs) }),
    ...(capsBitsPerSecond === undefined ? {} : { capsBitsPerSecond: byName(capsBitsPerSecond) }),
  };
  if (Object.values(capsBitsPerSecond ?? {}).some((cap) => cap > 0 && cap < MIN_CAP_BITS)) {
    throw refusal(`the least limit of a link is ${MIN_CAP_BITS / 1_000}kbit; none lifts it`);
  }
  const after = mergeSettings(before, checked);
  for (const [name, value] of Object.entries({ ...checked.costs, ...checked.capsBitsPerSecond })) {
    if (value > 0) checkIsLink(name, after);
  }
  return after;
}

function checkName(name: string, ownInterfaces: ReadonlySet<string>): string {
  const address = parseIpAddress(name);
  if (address !== undefined) return checkAddress(address, ownInterfaces);
  if (ownInterfaces.has(name)) {
    throw refusal(
      `${name} is the interface of a network of this agent: its packets can't travel inside it. Name an interface that leads out`,
    );
  }
  if (name === "lo") throw refusal(`lo is the loopback interface, by which nothing leaves this machine. ${LEADS_OUT}`);
  const looksLikeAddress = name.includes(":") || /^\d+(\.\d+){2,}$/.test(name);
  const isReserved = name === UNBOUND || name === "auto";
  if (name.length <= MAX_INTERFACE_NAME_BYTES && /^[\x21-\x7e]+$/.test(name) && !looksLikeAddress && !isReserved)
    return name;
  throw refusal(
    `"${name}" is neither an interface nor an IP address. Links are named as eth0, 192.0.2.7 or 2001:db8::7; \`auto\` and \`any\` stand alone`,
  );
}

/** One that the host has not got may come; one that no packet of a link can leave from is a mistake. */
function checkAddress(address: IpAddressBytes, ownInterfaces: ReadonlySet<string>): string {
  const text = formatIpAddress(address);
  const kind = classifyAddress(text);
  if (kind === "unspecified")
    throw refusal(`${text} is no single address. \`--links any\` is one link for all addresses`);
  if (kind === "loopback" || kind === "multicast") {
    throw refusal(`${text} is a ${kind} address, from which nothing leaves this machine. ${LEADS_OUT}`);
  }
  const interfaceName = interfaceWithAddress(text);
  if (interfaceName !== undefined && ownInterfaces.has(interfaceName)) {
    throw refusal(
      `${text} is this machine's address in a network of this agent (${interfaceName}): its packets can't travel inside it. ${LEADS_OUT}`,
    );
  }
  if (kind === "link-local") {
    throw refusal(`${text} is a link-local address, which leads no further than one wire. Name its interface`);
  }
  return text;
}

/** What is set for a link that there is not would do nothing. */
function checkIsLink(name: string, { use = UNBOUND }: LinkSettings): void {
  if (use === UNBOUND) {
    throw refusal(
      `${name} is no link: this network has one link that is bound to nothing. Say \`--links auto\`, or which ones, as well`,
    );
  }
  if (use === "auto" && parseIpAddress(name) === undefined) return;
  if (use !== "auto" && use.includes(name)) return;
  const links = use === "auto" ? "interfaces" : use.join(", ");
  throw refusal(
    `${name} is none of the links of this network (${links}): use their names, or name it in --links as well`,
  );
}

function refusal(message: string): AsterismError {
  return new AsterismError("invalid-input", message);
}
