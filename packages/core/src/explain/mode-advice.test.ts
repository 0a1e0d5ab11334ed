import { expect, it } from "vitest";
import { exampleFacts, TRIED } from "../../test/peer-facts.ts";
import type { ModeInForce, PathSpread, TriedPath } from "../local-api/index.ts";
import { modeAdvice } from "./mode-advice.ts";
import type { Facts } from "./obstacle.ts";

const DEFAULT: ModeInForce = { mode: "best", by: "default", chosen: null, networkDefault: null };
const AUTO: ModeInForce = { mode: "auto", by: "command", chosen: "auto", networkDefault: null };
const REDUNDANT: ModeInForce = { ...AUTO, mode: "redundant" };
const INCAPABLE: ModeInForce = { ...DEFAULT, by: "incapable" };
const SPREAD: PathSpread = {
  rateBitsPerSecond: 20e6,
  rttMs: 12,
  queueingMs: 2,
  lostPackets: 0,
  resentPackets: 0,
  lossRatio: 0,
  dead: false,
};

const active = (link: string, more: Partial<PathSpread> = {}): TriedPath => {
  return { ...TRIED, link, state: "active", share: 0.5, spread: { ...SPREAD, ...more } };
};
const idle = (link: string, idleBecause: string): TriedPath => ({ ...TRIED, link, state: "standby", idleBecause });

function adviceOn(
  mode: ModeInForce | null,
  tried: TriedPath[],
  more: Partial<Facts> = {},
): ReturnType<typeof modeAdvice> {
  const path = { kind: "direct", remote: "203.0.113.9:41641", link: "eth0", relay: null, rttMs: 12 } as const;
  return modeAdvice({ ...exampleFacts({ path }), mode, tried, ...more });
}

const cases: readonly [string, ModeInForce, TriedPath[], string][] = [
  [
    "mode-could-use-several",
    DEFAULT,
    [active("eth0"), idle("eth1", "standby"), idle("wwan0", "standby"), idle("eth0", "same-links")],
    "3 paths to b work (eth0, eth1 and wwan0) and one of them is used: `asterism mode b auto`",
  ],
  [
    "mode-could-use-several",
    DEFAULT,
    [active("eth0"), idle("eth0", "standby")],
    "where the lines of b are the narrower",
  ],
  ["mode-incapable", INCAPABLE, [active("eth0"), idle("eth1", "standby")], "update Asterism there to use several"],
  ["mode-incapable", { ...INCAPABLE, chosen: "auto" }, [active("eth0")], "update Asterism there to use mode auto"],
  ["mode-one-path", AUTO, [active("eth0"), idle("eth0", "same-links")], "`asterism links set --links auto`"],
  ["mode-one-path", AUTO, [active("eth0"), idle("eth1", "lossy")], "what gets lost on the others"],
  ["mode-one-path", AUTO, [active("eth0"), idle("wwan0", "costly")], "their links cost more"],
  [
    "mode-dead-path",
    AUTO,
    [active("eth0"), active("eth1", { dead: true })],
    "Nothing arrives by eth1 (203.0.113.9:41641)",
  ],
  [
    "mode-lossy-path",
    AUTO,
    [active("eth0", { lossRatio: 0.04 }), active("eth1", { lossRatio: 0.2 })],
    "20 % of the packets by eth1",
  ],
  ["mode-one-link", AUTO, [active("eth0"), active("eth0")], "Both paths in use leave this machine by eth0: together"],
  ["mode-one-link", REDUNDANT, [active("eth0"), active("eth0")], "both fail"],
];

it.each(cases)("%s", (expected, mode, tried, words) => {
  const advice = adviceOn(mode, tried);
  expect(advice?.case).toBe(expected);
  expect(advice?.text).toContain(words);
});

it("says nothing where there is nothing to do", () => {
  expect(adviceOn(AUTO, [active("eth0"), active("eth1", { lossRatio: 0.01 })])).toBeNull();
  expect(adviceOn(DEFAULT, [active("eth0"), idle("eth0", "same-links"), idle("eth1", "costly")])).toBeNull();
  expect(adviceOn(INCAPABLE, [active("eth0")])).toBeNull();
  expect(adviceOn(null, [])).toBeNull();
  const several = [active("eth0"), idle("eth1", "standby")];
  const path = { kind: "none", remote: null, link: null, relay: null, rttMs: null } as const;
  expect(adviceOn(DEFAULT, several, { path })).toBeNull();
  expect(adviceOn({ ...DEFAULT, by: "command", chosen: "best" }, several)).toBeNull();
  const { peer } = exampleFacts();
  const problem = { code: "passphrase-differs", text: "" };
  expect(adviceOn(DEFAULT, several, { peer: { ...peer, problem } })).toBeNull();
});
