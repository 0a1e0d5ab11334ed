/** Why two ends have no direct path between them, as far as the report shows. Pure; a table of cases. */
import type { NatSide } from "../local-api/index.ts";
import { hardNatObstacle } from "./hard-nat-obstacle.ts";
import { type Facts, type Obstacle, publicIpv4, versionOf } from "./obstacle.ts";

/** The first obstacle that is certain; else the likeliest. */
export function directObstacle(facts: Facts): Obstacle {
  return (
    // Where much gets lost, large packets seem to vanish as well.
    throttledUdp(facts) ??
    narrowPath(facts) ??
    blockedUdp(facts) ??
    ipVersions(facts) ??
    hardNats(facts) ??
    behaviour(facts) ??
    lastGuess(facts)
  );
}

/** A direct path works, but carries no traffic. */
function narrowPath({ peer, tried }: Facts): Obstacle | undefined {
  const narrow = tried.find(({ kind, state, smallPacketsOnly }) => {
    return kind === "direct" && state === "standby" && smallPacketsOnly;
  });
  if (narrow === undefined) return undefined;
  return {
    case: "small-packets-only",
    why: `on the direct path to ${peer.name} (${narrow.remote}) small packets pass and large ones vanish`,
    help: "look for a firewall, tunnel or line between them that drops packets of 1200 bytes",
  };
}

function blockedUdp({ udp, peer }: Facts): Obstacle | undefined {
  if (udp.here === false) {
    return {
      case: "udp-blocked-here",
      why: "a firewall in front of this machine blocks UDP",
      help: "let UDP out there, with its answers back in",
    };
  }
  if (udp.there === false) {
    return {
      case: "udp-blocked-there",
      why: `a firewall in front of ${peer.name} blocks UDP`,
      help: "let UDP out there, with its answers back in",
    };
  }
  return undefined;
}

/** A direct path has answered lately, and is not used. */
function throttledUdp({ tried, path, peer, checkedAt }: Facts): Obstacle | undefined {
  const isLate = (at: string | null): boolean => at === null || Date.parse(checkedAt) - Date.parse(at) > LATELY_MS;
  const direct = tried.filter(({ kind, answeredAt }) => kind === "direct" && !isLate(answeredAt));
  const lossRatio = Math.max(0, ...direct.map((one) => one.lossRatio));
  if (path.kind === "direct" || lossRatio < THROTTLED_RATIO) return undefined;
  return {
    case: "udp-throttled",
    why: `the direct path to ${peer.name} loses too much: ${Math.round(100 * lossRatio)} % of its last checks got no answer`,
    help: "see whether a firewall or provider at either end throttles UDP, or a line is overloaded; when the path gets better it is used again by itself",
  };
}

const THROTTLED_RATIO = 0.1;
const LATELY_MS = 60_000;

function ipVersions(facts: Facts): Obstacle | undefined {
  const { here, there } = versions(facts);
  if (here.length === 0 || there.length === 0 || here.some((version) => there.includes(version))) return undefined;
  return {
    case: "no-common-ip-version",
    why: `this machine has only IPv${here.join("/")} and ${facts.peer.name} only IPv${there.join("/")}`,
    help: `give one of them an address of the other's IP version`,
  };
}

/** IP versions that each end can use. */
function versions({ candidates, nat }: Facts): { here: (4 | 6)[]; there: (4 | 6)[] } {
  const usable = (sides: readonly NatSide[] | null, addresses: readonly { candidate: string; address: string }[]) =>
    ([4, 6] as const).filter((version) => {
      if (sides?.some(({ ipVersion, udp }) => ipVersion === version && udp === false) === true) return false;
      return addresses.some(({ candidate, address }) => candidate !== "relayed" && versionOf(address) === version);
    });
  return { here: usable(nat.here, candidates.here), there: usable(nat.there, candidates.there) };
}

function hardNats(facts: Facts): Obstacle | undefined {
  const { here, there } = versions(facts);
  // Where both have IPv6 no NAT is in the way.
  return here.includes(6) && there.includes(6) ? undefined : hardNatObstacle(facts);
}

/** What the checks have shown. */
function behaviour(facts: Facts): Obstacle | undefined {
  const direct = facts.tried.filter(({ kind }) => kind === "direct");
  const heard = direct.find(({ state, heardAt }) => heardAt !== null && (state === "failed" || state === "checking"));
  const isLooking = direct.some(({ state }) => state === "checking") && facts.attemptsWithoutDirect <= 1;
  if (isLooking) {
    return { case: "looking", why: "a direct path is being looked for", help: null };
  }
  if (heard !== undefined) {
    return {
      case: "one-way",
      why: `packets of ${facts.peer.name} come in from ${heard.remote}, but what goes back there is not answered: a firewall at one end lets UDP pass one way only`,
      help: `let UDP out of this machine and into ${facts.peer.name} as well`,
    };
  }
  return undefined;
}

function lastGuess(facts: Facts): Obstacle {
  const { nat, candidates, peer } = facts;
  const mine = publicIpv4(candidates.here);
  const theirs = publicIpv4(candidates.there);
  if (mine !== undefined && mine === theirs) {
    return {
      case: "same-nat",
      why: `both ends are behind the same public address ${mine}, whose router does not lead packets back in (hairpinning)`,
      help: "let the two networks behind it reach each other, or turn on hairpinning (NAT loopback) in that router",
    };
  }
  const isKnown = (sides: readonly NatSide[] | null): boolean => sides?.some(({ type }) => type !== "unknown") === true;
  if (!isKnown(nat.here) || !isKnown(nat.there)) {
    const which = isKnown(nat.here) ? `${peer.name}'s NAT` : "this machine's NAT";
    return {
      case: "nat-unknown",
      why: `no direct address answers, and ${which} is not known well enough to say why`,
      help: isKnown(nat.here) ? `run \`asterism netcheck\` on ${peer.name}` : "run `asterism netcheck`",
    };
  }
  return {
    case: "firewall",
    why: "the NATs of both ends would allow a direct path, but no direct address answers: a firewall between them drops UDP",
    help: `let UDP pass between them (this machine's port ${portOf(candidates.here)}, ${peer.name}'s port ${portOf(candidates.there)})`,
  };
}

function portOf(candidates: readonly { candidate: string; address: string }[]): string {
  const host = candidates.find(({ candidate }) => candidate === "host");
  return host?.address.split(":").at(-1) ?? "41641";
}
