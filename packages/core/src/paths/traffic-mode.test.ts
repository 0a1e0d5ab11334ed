import { expect, it } from "vitest";
import { addMs, type Instant } from "../time.ts";
import { ModeChoice } from "./traffic-mode.ts";

const START = 1_000_000 as Instant;

it("a command counts before the peer's wish, that before the network's default, and that before `best`", () => {
  const choice = new ModeChoice();
  const settings = { own: null, network: null, isPeerAble: true };
  choice.set(settings);
  expect(choice.decision).toEqual({ mode: "best", by: "default" });
  expect(choice.set({ ...settings, network: "auto" })).toBe(true);
  expect(choice.decision).toEqual({ mode: "auto", by: "network" });
  expect(choice.handleWish("redundant", START)).toBe(true);
  expect(choice.decision).toEqual({ mode: "redundant", by: "peer" });
  expect(choice.set({ ...settings, own: "aggregate" })).toBe(true);
  expect(choice.decision).toEqual({ mode: "aggregate", by: "command" });
  expect(choice.handleWish(null, addMs(START, 5_000))).toBe(false);
  choice.set(settings);
  expect(choice.decision).toEqual({ mode: "best", by: "default" });
});

it("a peer that does not announce it gets `best`, whatever anybody wishes", () => {
  const choice = new ModeChoice();
  choice.set({ own: "aggregate", network: "auto", isPeerAble: false });
  choice.handleWish("redundant", START);
  expect(choice.decision).toEqual({ mode: "best", by: "incapable" });
});

it("a peer that changes its mind all the time is heard once a second", () => {
  const choice = new ModeChoice();
  choice.set({ own: null, network: null, isPeerAble: true });
  let changes = 0;
  for (let ms = 0; ms < 10_000; ms += 10) {
    if (choice.handleWish(ms % 20 === 0 ? "aggregate" : "best", addMs(START, ms))) changes += 1;
  }
  expect(changes).toBeLessThanOrEqual(10);
});
