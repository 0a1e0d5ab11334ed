import { formatIpAddress, parseIpAddress } from "@asterism/core/addresses";
import { AsterismError } from "@asterism/core/errors";
import type { LinkSettings } from "@asterism/core/local-api";

const MAX_INTERFACE_NAME_BYTES = 15;

/**
 * The settings with addresses in their usual form.
 * @throws AsterismError `invalid-input` for what can be no link of this host
 */
export function checkLinkSettings(settings: LinkSettings, ownInterfaces: ReadonlySet<string>): LinkSettings {
  const { use, costs, capsBitsPerSecond } = settings;
  const check = (name: string): string => checkName(name, ownInterfaces);
  const byName = (values: Readonly<Record<string, number>>): Record<string, number> =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [check(name), value]));
  return {
    ...(use === undefined ? {} : { use: typeof use === "string" ? use : [...new Set(use.map(check))] }),
    ...(costs === undefined ? {} : { costs: byName(costs) }),
    ...(capsBitsPerSecond === undefined ? {} : { capsBitsPerSecond: byName(capsBitsPerSecond) }),
  };
}

function checkName(name: string, ownInterfaces: ReadonlySet<string>): string {
  const address = parseIpAddress(name);
  if (address !== undefined) return formatIpAddress(address);
  if (ownInterfaces.has(name)) {
    throw new AsterismError(
      "invalid-input",
      `${name} is the interface of a network of this agent: its packets can't travel inside it. Name an interface that leads out`,
    );
  }
  if (name.length <= MAX_INTERFACE_NAME_BYTES && /^[\x21-\x7e]+$/.test(name) && name !== "any" && name !== "auto")
    return name;
  throw new AsterismError(
    "invalid-input",
    `"${name}" is neither an interface nor an IP address. Links are named as eth0, 192.0.2.7 or 2001:db8::7; \`auto\` and \`any\` stand alone`,
  );
}
