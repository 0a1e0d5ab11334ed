import type { Advice, PathWords, RelayCheck } from "../local-api/index.ts";
import { classifyAddress } from "../paths/index.ts";
import { directObstacle } from "./direct-obstacle.ts";
import type { Facts, Obstacle } from "./obstacle.ts";
import { proxyFailure, throughProxy } from "./proxy-words.ts";

/** What a person who reads the report should do, or need not do; the first case that fits. */
export function peerAdvice(facts: Facts): Advice {
  const { path } = facts;
  const problem = tunnelProblem(facts);
  if (problem !== undefined) return problem;
  if (facts.peer.kind === "stock") return stockClient(facts);
  if (path.kind !== "none" && facts.echoMs === null) return silentTunnel(facts);
  if (path.kind === "direct") return direct(path, facts);
  if (path.kind === "relayed") return relayed(path, facts);
  return unreachable(facts);
}

function tunnelProblem({ peer }: Facts): Advice | undefined {
  if (peer.problem === null) return undefined;
  const { code, text } = peer.problem;
  if (code === "refused") return { case: "refused", text: `${peer.name} is refused: ${text}.` };
  if (code === "passphrase-differs") {
    return {
      case: "passphrase-differs",
      text: `This machine and ${peer.name} were given different passphrases: on the one that is wrong, join again with the right --secret.`,
    };
  }
  return { case: code, text: `No tunnel to ${peer.name}: ${text}.` };
}

function stockClient({ peer, path, lastHandshake }: Facts): Advice {
  if (path.kind !== "none" && lastHandshake !== null) {
    return { case: "stock-client", text: `${peer.name} is a stock WireGuard client, reached where it last sent from.` };
  }
  return {
    case: "stock-client-silent",
    text: `${peer.name} is a stock WireGuard client that has not sent anything yet: it has to begin, with this machine as its endpoint.`,
  };
}

/** The path is proven, and yet nothing comes back through the tunnel. */
function silentTunnel({ peer, lastHandshake, path }: Facts): Advice {
  if (!peer.online) {
    return {
      case: "peer-offline",
      text: `${peer.name} has gone offline: its agent is not connected to the server, and the path that worked (${path.remote ?? "none"}) is silent.`,
    };
  }
  if (lastHandshake === null) {
    return {
      case: "no-handshake",
      text: `Checks reach ${peer.name} (${path.kind}), but it does not complete the tunnel's handshake: ask again in a few seconds; if that does not help, restart its agent.`,
    };
  }
  return {
    case: "no-echo",
    text: `The path to ${peer.name} works (${path.kind}), but it does not answer echoes: a firewall on that machine may drop ping (ICMP), or the path has just gone silent.`,
  };
}

function direct(path: PathWords, { peer, tried }: Facts): Advice {
  const active = tried.find(({ state }) => state === "active");
  const lossRatio = active?.lossRatio ?? 0;
  if (lossRatio >= LOSSY_RATIO) {
    const percent = Math.round(lossRatio * 100);
    return {
      case: "direct-lossy",
      text: `Packets go straight to ${peer.name}, but ${percent} % of the checks get no answer: look at the line at either end (${path.link ?? "no route"} here).`,
    };
  }
  if (active?.smallPacketsOnly === true) {
    return {
      case: "direct-small-packets-only",
      text: `Packets go straight to ${peer.name}, but large ones vanish on the way, so they travel in pieces, and no relay is of help: look for a firewall, tunnel or line between them that drops packets of 1200 bytes.`,
    };
  }
  return { case: "direct", text: `Packets go straight to ${peer.name}${byWhat(path)}: nothing needs doing.` };
}

const LOSSY_RATIO = 0.1;

function byWhat({ remote }: PathWords): string {
  const address = remote?.replace(/:\d+$/, "").replaceAll(/[[\]]/g, "") ?? "";
  const place = classifyAddress(address);
  if (place === "private" || place === "unique-local") return " inside the local network";
  return address.includes(":") ? " over IPv6" : "";
}

function relayed(path: PathWords, facts: Facts): Advice {
  const obstacle = directObstacle(facts);
  const way = `Relayed by ${path.relay ?? "a relay"}${byStream(path, facts)}`;
  if (obstacle.case === "looking") {
    return { case: "looking", text: `${way} while a direct path is looked for: ask again in a few seconds.` };
  }
  return { case: `relayed-${obstacle.case}`, text: `${way} because ${obstacle.why}${helpOf(obstacle)}.` };
}

/** Where our end reaches the relay by a stream. */
function byStream(path: PathWords, { relays, proxy }: Facts): string {
  const transport = relays.find(({ name }) => name === path.relay)?.transport ?? null;
  if (transport === null || transport === "udp") return "";
  return ` over ${transport.toUpperCase()}${throughProxy(proxy)}${throughProxy(proxy) === "" ? "" : ","}`;
}

function unreachable(facts: Facts): Advice {
  const { peer, server, candidates, proxy } = facts;
  if (!server.connected) {
    const failure = proxyFailure(proxy, server.url);
    if (failure !== undefined) return failure;
    return {
      case: "server-unreachable",
      text: `${server.url} is not reachable, so ${peer.name} can't be called, and no address known from before answers: restore this machine's connection to the server.`,
    };
  }
  if (!peer.online) {
    return {
      case: "peer-offline",
      text: `${peer.name} is offline: its agent is not connected to the server. Start it, or check that machine's connection.`,
    };
  }
  if (peer.callProblem === "call-stale") {
    return {
      case: "clock-skew",
      text: `The clocks of this machine and ${peer.name} differ by more than two minutes, so calls are refused as old: set both clocks (NTP).`,
    };
  }
  if (candidates.there.length === 0) {
    return {
      case: "no-answer-to-call",
      text: `${peer.name} is online but has not answered a call yet: ask again in a few seconds; if that does not help, restart its agent.`,
    };
  }
  return withoutRelay(facts, directObstacle(facts));
}

/** Both ways are closed: the direct one by the obstacle, and the relays. */
function withoutRelay({ peer, relays }: Facts, obstacle: Obstacle): Advice {
  if (obstacle.case === "looking") {
    return { case: "looking", text: `A path to ${peer.name} is being looked for: ask again in a few seconds.` };
  }
  const text = `No path to ${peer.name}: ${obstacle.why}`;
  if (relays.length === 0) {
    return {
      case: "no-relay",
      text: `${text}; and the network has no relay: add one on the server with \`asterism admin relay add HOST\`${alternative(obstacle)}.`,
    };
  }
  // That they don't answer follows from it; or, if nobody else was asked, the other way round.
  if (obstacle.case === "udp-blocked-here") {
    const names = relays.map(({ name }) => name).join(", ");
    return {
      case: obstacle.case,
      text: `No path to ${peer.name}: no relay or STUN server (${names}) answers over UDP, so most likely ${obstacle.why}${helpOf(obstacle)}, or a relay that is reached over TCP or TLS.`,
    };
  }
  const broken = relays.filter(({ state }) => state === "silent" || state === "failing");
  if (broken.length < relays.length) return { case: obstacle.case, text: `${text}${helpOf(obstacle)}.` };
  return {
    case: broken.every(({ state }) => state === "silent") ? "relay-unreachable" : "relay-refuses",
    text: `${text}; and ${broken.map(describeRelay).join(", ")}${helpOf(obstacle)}.`,
  };
}

function describeRelay({ name, addresses, problem }: RelayCheck): string {
  return `relay ${name} (${addresses.join(", ")}) is of no use: ${problem ?? "not known why"}`;
}

function helpOf({ help }: Obstacle): string {
  return help === null ? "" : `. What would help: ${help}`;
}

function alternative({ help }: Obstacle): string {
  return help === null ? "" : `, or ${help}`;
}
