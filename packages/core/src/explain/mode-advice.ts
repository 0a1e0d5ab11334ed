/** What there is to say about the use of several paths to a peer. Pure; a table of cases. */
import type { Advice, ModeInForce, TriedPath } from "../local-api/index.ts";
import type { Facts } from "./obstacle.ts";

/** So much is lost by a path that somebody should look at its line, although the losses are hidden. */
const LOSSY_RATIO = 0.03;

/** The first case that fits; null where nobody could do anything about it, or better. */
export function modeAdvice(facts: Facts): Advice | null {
  const { mode, path, peer } = facts;
  if (mode === null || path.kind === "none" || peer.problem !== null) return null;
  return mode.mode === "best" ? onePath(facts, mode) : severalPaths(facts, mode);
}

/** Mode `best`: whether there would be more. */
function onePath({ tried, peer }: Facts, { by, chosen }: ModeInForce): Advice | null {
  const others = tried.filter(({ idleBecause }) => idleBecause === "standby");
  const inUse = tried.filter(({ state }) => state === "active");
  if (by === "incapable") {
    if (others.length === 0 && chosen === null) return null;
    const wish = chosen === null ? "use several paths" : `use mode ${chosen}`;
    return {
      case: "mode-incapable",
      text: `Packets for ${peer.name} go by one path, as it does not understand more: update Asterism there to ${wish}.`,
    };
  }
  // Who chose one path knows of others.
  if (others.length === 0 || by === "command") return null;
  const together = [...inUse, ...others];
  const links = new Set(together.map(({ link }) => link));
  const limit = links.size === 1 ? `, which helps where the lines of ${peer.name} are the narrower ones` : "";
  return {
    case: "mode-could-use-several",
    text: `${together.length} paths to ${peer.name} work (${linkWords(together)}) and one of them is used: \`asterism mode ${peer.name} auto\` would use them together${limit}.`,
  };
}

function severalPaths(facts: Facts, { mode }: ModeInForce): Advice | null {
  const { tried, peer } = facts;
  const carriers = tried.filter(({ state }) => state === "active");
  if (carriers.length < 2) return alone(facts, mode);
  const dead = carriers.filter(({ spread }) => spread?.dead === true);
  if (dead.length > 0 && dead.length < carriers.length) {
    return {
      case: "mode-dead-path",
      text: `Nothing arrives by ${pathWords(dead)} just now, so the other paths carry everything; it is used again as soon as it works.`,
    };
  }
  const lossy = carriers.filter(({ spread }) => (spread?.lossRatio ?? 0) >= LOSSY_RATIO);
  const [worst] = lossy.sort((a, b) => (b.spread?.lossRatio ?? 0) - (a.spread?.lossRatio ?? 0));
  if (worst !== undefined && mode !== "redundant") {
    const percent = Math.round(100 * (worst.spread?.lossRatio ?? 0));
    return {
      case: "mode-lossy-path",
      text: `${percent} % of the packets by ${pathWords([worst])} get lost and are sent again by other paths: look at that line.`,
    };
  }
  return oneLink(carriers, mode, peer.name);
}

/** The paths in use have our end in common. */
function oneLink(carriers: readonly TriedPath[], mode: string, peer: string): Advice | null {
  const [link, another] = new Set(carriers.map((carrier) => carrier.link ?? "no link"));
  if (another !== undefined) return null;
  const all = carriers.length === 2 ? "Both" : `All ${carriers.length}`;
  const common = `${all} paths in use leave this machine by ${link ?? "no link"}`;
  const text =
    mode === "redundant"
      ? `${common}: when that fails, both fail.`
      : `${common}: together they are faster than one only where the lines of ${peer} are the narrower ones.`;
  return { case: "mode-one-link", text };
}

/** Several paths are wanted, and one is used. */
function alone({ tried, peer, path }: Facts, mode: string): Advice {
  const reasons = new Set(tried.map(({ idleBecause }) => idleBecause));
  const why = Object.entries(LEFT_OUT).find(([reason]) => reasons.has(reason))?.[1];
  const start = `Mode ${mode} is in force, but one path carries everything to ${peer.name}`;
  if (why !== undefined) return { case: "mode-one-path", text: `${start}: ${why}.` };
  return {
    case: "mode-one-path",
    text: `${start}: no other leads over another link than ${path.link ?? "this one"}. Another uplink at either end would help: \`asterism links\` shows those in use here, \`asterism links set --links auto\` takes all there are.`,
  };
}

/** By reason, what is wrong with the paths that are left out; those that something can be done about. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  lossy: "what gets lost on the others would slow everything down; look at those lines",
  narrow: "large packets vanish on the others; look for what drops packets of 1200 bytes",
  costly: "the others are spared, as their links cost more (`asterism links`)",
  "small-mtu": "the others pass smaller packets only, which would make all packets smaller",
  stream: "the others are relayed over TCP or TLS, which does not go well with UDP",
};

function linkWords(paths: readonly TriedPath[]): string {
  const links = [...new Set(paths.map(({ link }) => link ?? "no link"))];
  return links.length === 1 ? (links[0] ?? "") : `${links.slice(0, -1).join(", ")} and ${links.at(-1)}`;
}

function pathWords(paths: readonly TriedPath[]): string {
  return paths.map(({ link, remote }) => `${link ?? "no link"} (${remote})`).join(", ");
}
