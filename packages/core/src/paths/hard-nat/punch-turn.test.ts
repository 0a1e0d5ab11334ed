import { describe, expect, it } from "vitest";
import { addMs, type Instant } from "../../time.ts";
import { TURN_MS } from "./punch-limits.ts";
import { PunchTurn } from "./punch-turn.ts";

const NOW = 1_000 as Instant;
const [A, B, C] = [{}, {}, {}];

describe("the turn", () => {
  it("is one's at a time, and goes to who has waited longest", () => {
    const turn = new PunchTurn();
    expect([turn.take(A, NOW), turn.take(B, NOW), turn.take(C, addMs(NOW, 10))]).toEqual([true, false, false]);
    expect(turn.take(A, addMs(NOW, 20))).toBe(true);
    turn.giveBack(A);
    expect([turn.take(C, addMs(NOW, 30)), turn.take(B, addMs(NOW, 40)), turn.take(C, addMs(NOW, 50))]).toEqual([
      false,
      true,
      false,
    ]);
    turn.giveBack(B);
    expect(turn.take(C, addMs(NOW, 60))).toBe(true);
  });

  it("does not wait for who has lost interest", () => {
    const turn = new PunchTurn();
    turn.take(A, NOW);
    turn.take(B, NOW);
    turn.giveBack(A);
    expect(turn.take(C, addMs(NOW, 100))).toBe(false);
    expect(turn.take(C, addMs(NOW, 5_000))).toBe(true);
  });

  it("is not kept for ever by who never gives it back", () => {
    const turn = new PunchTurn();
    turn.take(A, NOW);
    expect(turn.take(B, addMs(NOW, TURN_MS - 1))).toBe(false);
    expect(turn.take(B, addMs(NOW, TURN_MS))).toBe(true);
  });
});
