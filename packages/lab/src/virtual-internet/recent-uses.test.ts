import { expect, it } from "vitest";
import { RecentUses } from "./recent-uses.ts";

it("knows what was used within its lifetime, and keeps nothing else", () => {
  const uses = new RecentUses(1_000);
  for (let atMs = 0; atMs < 100_000; atMs += 10) uses.note(`flow ${atMs}`, atMs);
  expect(uses.size).toBe(100);
  expect(uses.isRecent("flow 99000", 99_990)).toBe(true);
  expect(uses.isRecent("flow 99000", 100_000)).toBe(false);
  expect(uses.isRecent("flow 98990", 99_990)).toBe(false);
});

it("keeps what is used again and again", () => {
  const uses = new RecentUses(1_000);
  for (let atMs = 0; atMs < 5_000; atMs += 500) {
    uses.note("kept", atMs);
    uses.note(`other ${atMs}`, atMs);
  }
  expect(uses.isRecent("kept", 5_000)).toBe(true);
  expect(uses.size).toBe(3);
});
