import type { LinkSettings } from "@asterism/core/local-api";
import { MAX_LINK_COST, MAX_LINKS } from "@asterism/core/net";
import { InvalidArgumentError, Option } from "commander";

/** Options that say which links a network uses. */
export interface LinkOptions {
  readonly links?: NonNullable<LinkSettings["use"]>;
  readonly linkCost?: Record<string, number>;
  readonly linkCap?: Record<string, number>;
}

export function linksOption(): Option {
  return new Option(
    "--links <links>",
    "interfaces or addresses to use, each with a socket of its own: eth0,wlan0; auto: every interface with a default route; any: one socket, and the host's routes decide (default: any)",
  ).argParser(parseLinks);
}

export function linkCostOption(): Option {
  return new Option(
    "--link-cost <link=cost>",
    `0 to ${MAX_LINK_COST}: a link is used only while none that costs less works (default: 0; may be repeated)`,
  ).argParser((text, before: Record<string, number> | undefined) => ({ ...before, ...parseCost(text) }));
}

export function linkCapOption(): Option {
  return new Option(
    "--link-cap <link=rate>",
    "at most so much goes by a link while packets are spread over several: 10mbit, 500kbit, none (default: none; may be repeated)",
  ).argParser((text, before: Record<string, number> | undefined) => ({ ...before, ...parseCap(text) }));
}

/** Undefined if none of the options is given. */
export function linkSettings({ links, linkCost, linkCap }: LinkOptions): LinkSettings | undefined {
  if (links === undefined && linkCost === undefined && linkCap === undefined) return undefined;
  return {
    ...(links === undefined ? {} : { use: links }),
    ...(linkCost === undefined ? {} : { costs: linkCost }),
    ...(linkCap === undefined ? {} : { capsBitsPerSecond: linkCap }),
  };
}

export function parseLinks(text: string): NonNullable<LinkSettings["use"]> {
  if (text === "auto" || text === "any") return text;
  const names = text.split(",").map((name) => name.trim());
  if (names.some((name) => name === "" || /[\s/]/.test(name))) {
    throw new InvalidArgumentError(
      "Give auto, any, or names of interfaces or addresses with commas between: eth0,wlan0.",
    );
  }
  if (new Set(names).size > MAX_LINKS) throw new InvalidArgumentError(`A network has ${MAX_LINKS} links at most.`);
  return [...new Set(names)];
}

export function parseCost(text: string): Record<string, number> {
  const [name, value] = split(text, "wwan0=10");
  const cost = /^\d{1,4}$/.test(value) ? Number(value) : Number.NaN;
  if (!(cost <= MAX_LINK_COST))
    throw new InvalidArgumentError(`The cost is a whole number from 0 to ${MAX_LINK_COST}.`);
  return { [name]: cost };
}

const UNIT_BITS: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 };

/** In bit/s; 0 is no limit. */
export function parseCap(text: string): Record<string, number> {
  const [name, value] = split(text, "wwan0=10mbit");
  if (value === "none") return { [name]: 0 };
  const [, number, unit = ""] = /^(\d{1,6}(?:\.\d{1,3})?)(k|m|g)?bit(?:\/s)?$/i.exec(value) ?? [];
  const bits = Math.round(Number(number) * (UNIT_BITS[`${unit.toLowerCase()}bit`] ?? Number.NaN));
  if (!(bits > 0))
    throw new InvalidArgumentError("Rates are written as 10mbit, 2.5gbit or 500kbit; none lifts the limit.");
  return { [name]: bits };
}

function split(text: string, example: string): [string, string] {
  const place = text.lastIndexOf("=");
  if (place < 1) throw new InvalidArgumentError(`Name the link and the value, as in ${example}.`);
  return [text.slice(0, place), text.slice(place + 1)];
}
