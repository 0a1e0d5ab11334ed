import { BlockList, isIP } from "node:net";
import { unwrap } from "@asterism/core/errors";
import { getProxyForUrl } from "proxy-from-env";
import { type DialTarget, type HttpProxy, parseProxyUrl } from "./http-proxy.ts";

/** The proxy for a target, null to go without. */
export type ProxyChoice = (target: DialTarget) => HttpProxy | null;

/** What a person may write where a proxy is named to do without any. */
export const NO_PROXY_AT_ALL = "none";

/**
 * Proxies as a setting of ours names them (a URL, or `none`), or else the environment (HTTPS_PROXY, ALL_PROXY, NO_PROXY
 * and the same in lower case). A mistake in the setting throws `invalid-input`; one in the environment, which is not
 * meant for us alone, is told to `onProblem` and ignored.
 */
export function chooseProxies(setting: string | undefined, onProblem: (text: string) => void): ProxyChoice {
  if (setting === NO_PROXY_AT_ALL) return () => null;
  if (setting !== undefined) {
    const proxy = unwrap(parseProxyUrl(setting));
    return (target) => (isLocal(target) ? null : proxy);
  }
  const told = new Set<string>(); // bounded: values of two variables
  return (target) => {
    if (isLocal(target) || isExcluded(target, environment("no_proxy"))) return null;
    const text = getProxyForUrl(`https://${isIP(target.host) === 6 ? `[${target.host}]` : target.host}:${target.port}`);
    if (text === "") return null;
    // Without a scheme the library gives it that of the target.
    const isBare = !`${environment("https_proxy")} ${environment("all_proxy")}`.includes(text);
    const parsed = parseProxyUrl(isBare ? text.replace(/^https:/, "http:") : text);
    if (parsed.ok) return parsed.value;
    if (!told.has(text)) onProblem(`The proxy in the environment is ignored. ${parsed.error.message}`);
    told.add(text);
    return null;
  };
}

function isLocal({ host }: DialTarget): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

/** Ranges of addresses (10.0.0.0/8), which the library does not know. */
function isExcluded({ host }: DialTarget, noProxy: string): boolean {
  const version = isIP(host);
  if (version === 0) return false;
  return noProxy.split(/[,\s]+/).some((entry) => {
    const [network = "", length = "", ...more] = entry.split("/");
    const prefixLength = Number(length);
    const isRange = isIP(network) === version && /^\d+$/.test(length) && more.length === 0;
    if (!isRange || prefixLength > (version === 6 ? 128 : 32)) return false;
    const family = version === 6 ? "ipv6" : "ipv4";
    const range = new BlockList();
    range.addSubnet(network, prefixLength, family);
    return range.check(host, family);
  });
}

function environment(name: string): string {
  return process.env[name] || process.env[name.toUpperCase()] || "";
}
