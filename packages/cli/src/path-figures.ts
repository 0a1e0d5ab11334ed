import type { PathSpread } from "@asterism/core/local-api";
import { formatMs } from "./output.ts";

/** What is known of how a path carries packets, wherever it is told. */
interface PathFigures {
  readonly rttMs: number | null;
  readonly lossRatio: number;
  readonly share: number;
  readonly spread: PathSpread | null;
  readonly idleBecause: string | null;
}

/** RATE is what the path was found to carry at most, – while that is not known; LOSS is of the last 10 s or of the last checks; RESENT is by this path. */
export const FIGURE_HEADER = ["SHARE", "RATE", "RTT", "LOSS", "RESENT", ""];

/** Cells under `FIGURE_HEADER`. Of a path that carries nothing only checks tell. */
export function figureCells({ rttMs, lossRatio, share, spread, idleBecause }: PathFigures): string[] {
  const part = formatPercent(share, 0);
  if (spread === null || idleBecause !== null) {
    return [part, "–", formatMs(rttMs), `${formatPercent(lossRatio)} of checks`, "–", idleWords(idleBecause)];
  }
  const note = spread.dead ? DEAD : "";
  const loss = `${formatPercent(spread.lossRatio)} of packets`;
  return [part, formatRate(spread), formatMs(spread.rttMs), loss, String(spread.resentPackets), note];
}

export const DEAD = "dead: nothing arrives by it just now";

export function formatRate({ rateBitsPerSecond }: Pick<PathSpread, "rateBitsPerSecond">): string {
  if (rateBitsPerSecond === null) return "–";
  if (rateBitsPerSecond >= 1e9) return `${(rateBitsPerSecond / 1e9).toFixed(2)} Gbit/s`;
  return `${(rateBitsPerSecond / 1e6).toFixed(1)} Mbit/s`;
}

export function formatPercent(ratio: number, digits = 1): string {
  return `${Number((100 * ratio).toFixed(digits))} %`;
}

/** The reasons of docs/multipath.md; one that is not known is shown as it is. */
function idleWords(reason: string | null): string {
  return reason === null ? "" : (IDLE_WORDS[reason] ?? reason);
}

const IDLE_WORDS: Readonly<Record<string, string>> = {
  standby: "works, not needed in this mode",
  silent: "has not answered lately",
  narrow: "left out: large packets vanish on it",
  lossy: "left out: loses too much",
  costly: "left out: its link costs more",
  "small-mtu": "left out: passes smaller packets only",
  stream: "left out: relayed over TCP or TLS",
  "same-links": "left out: same links as a better one",
  relayed: "left out: its links are used directly",
  "table-full": "left out: too many paths",
};
