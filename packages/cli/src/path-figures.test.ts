import { expect, test } from "vitest";
import { figureCells } from "./path-figures.ts";

const SPREAD = {
  rateBitsPerSecond: 19_100_000,
  rttMs: 11.2,
  queueingMs: 1,
  lostPackets: 3,
  resentPackets: 2,
  lossRatio: 0.011,
  dead: false,
};
const PATH = { rttMs: 20, lossRatio: 0.05, share: 0.333, spread: SPREAD, idleBecause: null };

test("figures of packets where there are any, of checks where not, and no guesses", () => {
  expect(figureCells(PATH)).toEqual(["33 %", "19.1 Mbit/s", "11.2 ms", "1.1 % of packets", "2", ""]);
  expect(figureCells({ ...PATH, spread: { ...SPREAD, rateBitsPerSecond: null } })[1]).toBe("–");
  expect(figureCells({ ...PATH, spread: null })).toEqual(["33 %", "–", "20.0 ms", "5 % of checks", "–", ""]);
  expect(figureCells({ ...PATH, share: 0, idleBecause: "costly" }).at(-1)).toBe("left out: its link costs more");
});
