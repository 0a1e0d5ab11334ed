import { describe, expect, it } from "vitest";
import { addMs, type Instant } from "../../time.ts";
import { PunchMemory } from "./punch-memory.ts";

const NOW = 1_000 as Instant;
const MINUTE_MS = 60_000;

describe("what is remembered of attempts", () => {
  it("waits 1, 5, 15, 60, 60 minutes after attempts that did not hit", () => {
    const memory = new PunchMemory();
    const waits: number[] = [];
    let now = NOW;
    for (let i = 0; i < 5; i++) {
      memory.fail("ports", false, now);
      waits.push(((memory.notBefore ?? 0) - now) / MINUTE_MS);
      now = memory.notBefore ?? now;
      expect(memory.mayBegin(now)).toBe(true);
    }
    expect(waits).toEqual([1, 5, 15, 60, 60]);
  });

  it("a success is followed by the next attempt soon, and forgets the failures", () => {
    const memory = new PunchMemory();
    memory.fail("ports", false, NOW);
    memory.fail("ports", false, NOW);
    memory.succeed(NOW);
    expect([memory.failures, memory.mayBegin(addMs(NOW, 10_000)), memory.mayAccept("ports", NOW)]).toEqual([
      0,
      true,
      true,
    ]);
  });

  it("goes along with the peer half a minute after a failure, whenever its own next attempt would be", () => {
    const memory = new PunchMemory();
    memory.fail("ports", false, NOW);
    memory.fail("ports", false, NOW);
    expect([memory.mayAccept("ports", addMs(NOW, 29_999)), memory.mayAccept("ports", addMs(NOW, 30_000))]).toEqual([
      false,
      true,
    ]);
    expect(memory.mayBegin(addMs(NOW, MINUTE_MS))).toBe(false);
  });

  it("tries the other way round at once where the roles were guessed, and waits after both", () => {
    const memory = new PunchMemory();
    memory.fail("ports", true, NOW);
    expect([memory.mayBegin(addMs(NOW, 2_000)), memory.failures]).toEqual([true, 0]);
    expect([memory.mayAccept("sockets", NOW), memory.mayAccept("ports", NOW)]).toEqual([true, false]);
    memory.fail("sockets", true, addMs(NOW, 8_000));
    expect([memory.mayBegin(addMs(NOW, 67_999)), memory.mayBegin(addMs(NOW, 68_000))]).toEqual([false, true]);
    expect([memory.mayAccept("ports", addMs(NOW, 9_000)), memory.failures]).toEqual([false, 1]);
  });

  it("belongs to the networks that the two ends are in, and comes back with them", () => {
    const memory = new PunchMemory();
    memory.enter("home office");
    memory.fail("ports", false, NOW);
    memory.enter("café office");
    expect(memory.mayBegin(NOW)).toBe(true);
    memory.enter("home office");
    expect(memory.mayBegin(NOW)).toBe(false);
    for (let i = 0; i < 8; i++) memory.enter(`network ${i}`);
    memory.enter("home office");
    expect(memory.mayBegin(NOW)).toBe(true);
  });

  it("asks a peer that does not answer again at once, and then ever later", () => {
    const memory = new PunchMemory();
    const waits = [0, 1, 2, 3, 4, 5].map(() => {
      memory.handleUnanswered(NOW);
      return (memory.notBefore ?? 0) - NOW;
    });
    expect(waits).toEqual([0, 7_000, 60_000, 300_000, 3_600_000, 3_600_000]);
  });
});
