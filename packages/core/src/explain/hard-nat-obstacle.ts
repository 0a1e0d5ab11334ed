/** What to say of two NATs of which neither end knows where to send: whether ports can be guessed, and what that has come to. */
import type { NatSide, NextPorts } from "../local-api/index.ts";
import { type Facts, type Obstacle, publicIpv4 } from "./obstacle.ts";

const MAP_PORT = "a port mapping (UPnP, NAT-PMP or PCP in the router, or a forwarded UDP port)";
const OTHER_WAYS = `IPv6 at both ends or ${MAP_PORT} at one of them`;
const UNDER_WAY: readonly string[] = ["running", "proposed", "waiting"];

/** Undefined where the NATs over IPv4 let ordinary checks pass. */
export function hardNatObstacle(facts: Facts): Obstacle | undefined {
  const mine = hardness(ofIpv4(facts.nat.here));
  const theirs = hardness(ofIpv4(facts.nat.there));
  if (facts.portMapping.here.length > 0 || facts.portMapping.there.length > 0) return undefined;
  if (mine === "easy" || theirs === "easy" || (mine !== "symmetric" && theirs !== "symmetric")) return undefined;
  if (UNDER_WAY.includes(facts.punching?.state ?? "idle")) {
    return { case: "looking", why: "a port that fits both NATs is being looked for", help: null };
  }
  return mine === theirs ? symmetricBoth(facts) : symmetricAndRestricted(facts, mine === "symmetric");
}

function symmetricBoth(facts: Facts): Obstacle {
  const { here, there } = portsOf(facts);
  if (here?.kind === "sequential" && there?.kind === "sequential") {
    const why = `both ends are behind symmetric NATs, which give out their ports one after the other${guessed(facts)}`;
    return { case: "symmetric-both", why, help: `${switchOn(facts)}${OTHER_WAYS}` };
  }
  return {
    case: "symmetric-both",
    why: `both ends are behind symmetric NATs, ${whoseIsNotForetold(facts)}`,
    help: OTHER_WAYS,
  };
}

function whoseIsNotForetold(facts: Facts): string {
  const { here, there } = portsOf(facts);
  const { name } = facts.peer;
  if (here?.kind === "sequential") return `and ${name}'s ports can't be foretold (given out ${inWords(there)})`;
  if (there?.kind === "sequential") return `and this machine's ports can't be foretold (given out ${inWords(here)})`;
  return `whose ports can't be foretold (given out ${inWords(here)} here, ${inWords(there)} at ${name})`;
}

function symmetricAndRestricted(facts: Facts, isSymmetricHere: boolean): Obstacle {
  const { name } = facts.peer;
  const [symmetric, restricted] = isSymmetricHere ? ["this machine", name] : [name, "this machine"];
  const { here, there } = portsOf(facts);
  const ports = isSymmetricHere ? here : there;
  const howGiven = ports === undefined || ports.kind === "unknown" ? "" : ` (ports given out ${inWords(ports)})`;
  return {
    case: "symmetric-port-restricted",
    why: `${symmetric} is behind a symmetric NAT${howGiven} and ${restricted} behind a port-restricted one, which lets in only ports it has sent to${guessed(facts)}`,
    help: `${switchOn(facts)}${OTHER_WAYS}`,
  };
}

function portsOf({ nextPorts, candidates }: Facts): Partial<Record<"here" | "there", NextPorts | undefined>> {
  const here = portsAt(nextPorts.here, publicIpv4(candidates.here));
  return { here, there: portsAt(nextPorts.there, publicIpv4(candidates.there)) };
}

function portsAt(ports: readonly NextPorts[], address: string | undefined): NextPorts | undefined {
  return ports.find((next) => next.address === address) ?? ports[0];
}

function inWords(ports: NextPorts | undefined): string {
  switch (ports?.kind) {
    case "sequential":
      return "one after the other";
    case "block":
      return `from ${ports.ranges.map(({ first, last }) => `${first}–${last}`).join(", ")} in no order`;
    case "random":
      return "at random";
    case "preserving":
      return "mostly as inside";
    default:
      return "nobody knows how";
  }
}

function switchOn({ network, punching }: Facts): string {
  if (punching?.state !== "off") return "";
  return `let devices guess ports (\`asterism admin network set ${network} --hard-nat-punching on\`), `;
}

/** What became of guessing ports. */
function guessed({ punching, peer }: Facts): string {
  if (punching?.state === "off") return "; guessing ports is switched off in this network";
  const last = punching?.attempts.at(-1);
  if (punching === null || last === undefined) return "";
  const next = nextAttempt(punching.notBeforeInMs);
  if (last.result === "refused" && last.refusal === "off")
    return `; ${peer.name} may not guess ports (asked again ${next})`;
  if (last.result === "refused") return `; ${peer.name} can't take part in guessing ports now (asked again ${next})`;
  if (last.result === "unanswered") {
    return `; ${peer.name} has not answered the proposal to guess ports (asked again ${next})`;
  }
  if (punching.failures === 0) return "";
  const many = punching.failures === 1 ? "once" : `${punching.failures} times`;
  return `, and guessing ports has failed ${many} (${last.packets} packets in ${Math.round(last.afterMs / 1000)} s, again ${next})`;
}

function nextAttempt(inMs: number | null): string {
  const minutes = Math.ceil((inMs ?? 0) / 60_000);
  return minutes === 0 ? "soon" : `in ${minutes} min`;
}

/** Where servers can't tell the kind, what is known of the mapping or the filtering makes it port-restricted at the worst. */
function hardness(side: NatSide | undefined): "symmetric" | "port-restricted" | "easy" {
  if (side === undefined) return "easy";
  const { type, mapping, filtering } = side;
  if (type === "symmetric") return "symmetric";
  const mayBeRestricted = mapping === "endpoint-independent" || filtering === "address-and-port-dependent";
  return type === "port-restricted cone" || (type === "unknown" && mayBeRestricted) ? "port-restricted" : "easy";
}

function ofIpv4(sides: readonly NatSide[] | null): NatSide | undefined {
  return sides?.find(({ ipVersion }) => ipVersion === 4);
}
