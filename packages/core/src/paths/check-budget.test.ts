import { describe, expect, it } from "vitest";
import { addMs, type Instant } from "../time.ts";
import { CheckBudget, TargetBudget } from "./check-budget.ts";
import type { Path } from "./path.ts";

const NOW = 1_000_000 as Instant;

function pathTo(address: string, answeredAt?: Instant): Pick<Path, "peer" | "answeredAt"> {
  return { peer: { address, port: 50_000 }, answeredAt };
}

/** How many of `count` peers may check a path to the address within a second, each of them ten times at most. */
function checksOf(count: number, address: string, targets: TargetBudget): number {
  const budgets = Array.from({ length: count }, () => new CheckBudget(targets));
  let checks = 0;
  for (let round = 0; round < 10; round++) {
    const now = addMs(NOW, round * 100);
    for (const budget of budgets) if (budget.take(pathTo(address), now) === undefined) checks++;
  }
  return checks;
}

describe("checks of paths that never answered", () => {
  it("are limited for one address of all peers together", () => {
    expect(checksOf(100, "203.0.113.9", new TargetBudget())).toBeLessThan(310);
  });

  it("to the network's relays are limited for each peer only, as all relayed peers share their addresses", () => {
    const targets = new TargetBudget();
    targets.setRelays(["203.0.113.9"]);
    expect(checksOf(100, "203.0.113.9", targets)).toBe(1_000);
    const budget = new CheckBudget(targets);
    const granted = Array.from({ length: 1_000 }, () => budget.take(pathTo("203.0.113.9"), NOW));
    expect(granted.filter((postponedTo) => postponedTo === undefined)).toHaveLength(300);
    expect(budget.take(pathTo("203.0.113.9", NOW), NOW)).toBeUndefined();
  });
});
