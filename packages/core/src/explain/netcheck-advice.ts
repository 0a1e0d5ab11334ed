import type { Advice, LinkCheck, NetworkCheck } from "../local-api/index.ts";
import { proxyFailure, wayByStream } from "./proxy-words.ts";

type Facts = Omit<NetworkCheck, "advice">;

/** What a person who reads the report should do, or need not do; the first case that fits. */
export function netcheckAdvice(facts: Facts): Advice {
  return lackOfServers(facts) ?? lackOfUdp(facts) ?? throttledUdp(facts) ?? natAdvice(facts);
}

function lackOfServers({ stunServers, links, server, proxy }: Facts): Advice | undefined {
  if (stunServers.length > 0 && links.length > 0) return undefined;
  if (!server.connected && links.length === 0) {
    const failure = proxyFailure(proxy, server.url);
    if (failure !== undefined) return failure;
    return {
      case: "server-unreachable",
      text: `${server.url} is not reachable, so this machine has not been told whom to ask: check its connection to the internet.`,
    };
  }
  return {
    case: "no-servers",
    text: "The network has no relay or STUN server that this machine could ask: add one on the server with `asterism admin relay add HOST`.",
  };
}

function lackOfUdp({ udp, server, relays, proxy }: Facts): Advice | undefined {
  if (udp !== false) return undefined;
  if (!server.connected) {
    const failure = proxyFailure(proxy, server.url);
    if (failure !== undefined) return failure;
    return {
      case: "offline",
      text: `Neither ${server.url} nor any STUN server answers: this machine seems to have no connection to the internet.`,
    };
  }
  const names = relays.map(({ name }) => name).join(", ");
  return {
    case: "udp-blocked",
    text:
      "The server answers but no UDP comes back: a firewall in front of this machine blocks it, and without UDP no path is " +
      `direct. Let UDP out (any port, answers back in), at least to ${names === "" ? "the STUN servers" : names}. Until then peers are reached through ${wayByStream(relays, proxy)}.`,
  };
}

function throttledUdp({ lossyPeers, relays, proxy }: Facts): Advice | undefined {
  if (lossyPeers.length === 0) return undefined;
  const blame =
    lossyPeers.length === 1
      ? "at one end of it a line is overloaded, or a firewall or provider throttles UDP"
      : "probably the line here is overloaded, or a firewall or provider in front of this machine throttles UDP";
  return {
    case: "udp-throttled",
    text: `UDP works, but what goes straight to ${lossyPeers.join(", ")} gets lost too often: ${blame}. Meanwhile ${wayByStream(relays, proxy)} is used instead where it delivers.`,
  };
}

function natAdvice(facts: Facts): Advice {
  const { links, portMappings } = facts;
  const ipv4 = best(links, 4);
  const ipv6 = best(links, 6);
  const nat = ipv4 ?? ipv6;
  if (nat === undefined) return UNCERTAIN;
  const [mapping] = portMappings;
  if (mapping !== undefined) {
    return { case: "port-mapped", text: `The router maps ${mapping} to this machine: peers reach it directly.` };
  }
  const problem = facts.portMapping?.problem?.case;
  // A router through which UDP passes is connected: if it says that it has no public address, it is behind a NAT.
  const isBehindNat = problem === "behind-nat" || problem === "not-connected";
  if (isBehindNat && (nat.type === "port-restricted cone" || nat.type === "symmetric")) return doubleNat(nat, ipv6);
  switch (nat.type) {
    case "none":
      return publicAddress(nat);
    case "full cone":
    case "restricted cone":
      return {
        case: "easy-nat",
        text: "This NAT stands in nobody's way: direct paths work with peers behind any NAT.",
      };
    case "port-restricted cone":
      return {
        case: "port-restricted",
        text: "Direct paths work with all peers but those behind a symmetric NAT; a port mapping (UPnP, NAT-PMP or PCP in the router, or a forwarded UDP port) or IPv6 would help with those.",
      };
    case "symmetric":
      return symmetric(nat, ipv6);
    default:
      return UNCERTAIN;
  }
}

const UNCERTAIN: Advice = {
  case: "uncertain",
  text: "UDP works, but these servers can't tell more about the NAT: a STUN server with two addresses or ports (RFC 5780; coturn and Asterism's own relay have them) would.",
};

function publicAddress({ filtering, localAddresses }: LinkCheck): Advice {
  if (filtering === "endpoint-independent" || filtering === "unknown") {
    return { case: "public", text: "This machine has a public address and no NAT: peers reach it directly." };
  }
  return {
    case: "public-firewalled",
    text: `This machine has a public address behind a firewall that lets only answers in: direct paths work with most peers, and with all if UDP port ${portOf(localAddresses)} is let in.`,
  };
}

function symmetric({ localAddresses }: LinkCheck, ipv6: LinkCheck | undefined): Advice {
  const port = portOf(localAddresses);
  const help = `turn on UPnP, NAT-PMP or PCP in the router, or forward UDP port ${port} to this machine`;
  if (ipv6 !== undefined) {
    return {
      case: "symmetric-with-ipv6",
      text: `The IPv4 NAT is symmetric, but IPv6 works: peers that have it are reached directly. For the others, ${help}.`,
    };
  }
  return {
    case: "symmetric",
    text: `The NAT is symmetric: peers behind port-restricted or symmetric NATs are reached through a relay only. To change that, ${help}, or get IPv6.`,
  };
}

/** A mapping in this router would not help. */
function doubleNat({ type }: LinkCheck, ipv6: LinkCheck | undefined): Advice {
  const others = type === "symmetric" ? "port-restricted or symmetric" : "symmetric";
  const help = ipv6 === undefined ? "a public address or IPv6 from the provider" : "a public address from the provider";
  return {
    case: "double-nat",
    text: `The router is itself behind a NAT, probably the provider's, so a port mapping in it leads nowhere: peers behind ${others} NATs are reached through a relay only. What would change that is ${help}.`,
  };
}

/** The first link that UDP passes by. */
function best(links: readonly LinkCheck[], ipVersion: 4 | 6): LinkCheck | undefined {
  const usable = links.filter((link) => link.ipVersion === ipVersion && link.udp === true);
  return usable.find(({ type }) => type !== "symmetric" && type !== "unknown") ?? usable[0];
}

function portOf([local]: readonly string[]): string {
  return local?.split(":").at(-1) ?? "41641";
}
