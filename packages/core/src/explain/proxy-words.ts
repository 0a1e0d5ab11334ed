import type { Advice, ProxyCheck, RelayCheck } from "../local-api/index.ts";

/** The server is reached neither through the proxy nor directly; undefined if no proxy has failed. */
export function proxyFailure(proxy: ProxyCheck | null, serverUrl: string): Advice | undefined {
  if (proxy === null || proxy.problem === null) return undefined;
  return {
    case: "proxy-fails",
    text: `${serverUrl} is not reachable, neither directly nor through the proxy ${proxy.url}, which ${proxy.problem}: see to the proxy, or name another one (--proxy, ASTERISM_PROXY or HTTPS_PROXY of the agent).`,
  };
}

/** How peers are reached while UDP is blocked: a noun. */
export function wayByStream(relays: readonly RelayCheck[], proxy: ProxyCheck | null): string {
  const transport = relays.find(({ state }) => state === "in-use")?.transport ?? null;
  const over = transport === null || transport === "udp" ? "over TLS or TCP" : `over ${transport.toUpperCase()}`;
  return `a relay ${over}${throughProxy(proxy)}`;
}

/** Where a stream runs through a proxy. */
export function throughProxy(proxy: ProxyCheck | null): string {
  return proxy === null || proxy.problem !== null ? "" : `, through the proxy ${proxy.url}`;
}
