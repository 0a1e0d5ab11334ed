/** Several paths at once, one of which loses packets beside one that does not. */
import { describe, expect, it } from "vitest";
import { choose, LinksWorld, type Member } from "./links-world.ts";

const TALK_MS = 250;
const MINUTE_MS = 60_000;

/** a has two lines, of which the second loses; with b, who has one, it talks all the time. */
class TwoLines {
  readonly world: LinksWorld;
  readonly a: Member;
  readonly b: Member;
  readonly #lossyDelayMs: number;

  constructor(seed: number, lossyDelayMs: number) {
    this.world = new LinksWorld(seed);
    this.#lossyDelayMs = lossyDelayMs;
    this.a = this.world.member("a", { delayMs: 10 }, { delayMs: lossyDelayMs });
    this.b = this.world.member("b", { delayMs: 5 });
    for (const member of [this.a, this.b]) choose(member, "aggregate");
    this.talk(10_000);
  }

  /** Each way. */
  lose(lossRatio: number): void {
    const line = { delayMs: this.#lossyDelayMs, lossRatio };
    this.a.links[1]!.on.attachment.setConditions({ up: line, down: line });
  }

  /** How often the lossy line was taken into use or out of use, and for how much of the time packets were spread over it. */
  talk(durationMs: number): { changes: number; usedRatio: number } {
    const uses: boolean[] = [];
    for (let atMs = 0; atMs < durationMs; atMs += TALK_MS) {
      this.a.node.sendData("b", "to b");
      this.b.node.sendData("a", "to a");
      this.world.run(TALK_MS);
      uses.push(this.#isUsed());
    }
    const changes = uses.filter((used, index) => index > 0 && used !== uses[index - 1]).length;
    return { changes, usedRatio: uses.filter((used) => used).length / uses.length };
  }

  #isUsed(): boolean {
    const { node, links } = this.a;
    const carriers = node.engine.paths("b").filter(({ weight }) => weight > 0);
    const isSpread = node.engine.mode("b") === "aggregate";
    return isSpread && carriers.some(({ linkId }) => node.interfaceOf(linkId) === links[1]!.on);
  }
}

describe("a line that loses packets", () => {
  it.each([3, 6, 8, 12])("%i of a hundred each way, which can be hidden, stays in use", (percent) => {
    for (const [seed, delayMs] of [3, 40].entries()) {
      const lines = new TwoLines(seed + 2, delayMs);
      lines.lose(percent / 100);
      const { changes, usedRatio } = lines.talk(10 * MINUTE_MS);
      // Five checks in a row may get lost, which makes it silent for a moment.
      expect(changes).toBeLessThanOrEqual(2);
      expect(usedRatio).toBeGreaterThan(0.99);
    }
  });

  it.each([20, 30])("%i of a hundred each way is left out for good, and used again when it loses none", (percent) => {
    for (const [seed, delayMs] of [3, 40].entries()) {
      const lines = new TwoLines(seed + 2, delayMs);
      lines.lose(percent / 100);
      lines.talk(5 * MINUTE_MS);
      expect(lines.talk(10 * MINUTE_MS)).toEqual({ changes: 0, usedRatio: 0 });
      lines.lose(0);
      lines.talk(2 * MINUTE_MS);
      expect(lines.talk(MINUTE_MS)).toEqual({ changes: 0, usedRatio: 1 });
    }
  });
});
