import { expect, it } from "vitest";
import type { LocalCandidate } from "../paths/index.ts";
import { areSameCandidates } from "./own-candidates.ts";

const RELAYED: LocalCandidate = {
  kind: "relayed",
  address: { address: "203.0.113.5", port: 50_000 },
  linkId: 1,
  priority: 255,
  relay: { address: "203.0.113.5", port: 3_478 },
  traits: { cost: 10, capBytesPerSecond: 1_000 },
};
const { relay: _relay, ...WITHOUT_RELAY } = RELAYED;
const { traits: _traits, ...WITHOUT_TRAITS } = RELAYED;

const CHANGES: readonly (readonly [string, LocalCandidate])[] = [
  ["kind", { ...RELAYED, kind: "host" }],
  ["address", { ...RELAYED, address: { address: "203.0.113.6", port: 50_000 } }],
  ["port", { ...RELAYED, address: { address: "203.0.113.5", port: 50_001 } }],
  ["link", { ...RELAYED, linkId: 2 }],
  ["priority", { ...RELAYED, priority: 256 }],
  ["relay", { ...RELAYED, relay: { address: "203.0.113.5", port: 3_479 } }],
  ["having a relay", WITHOUT_RELAY],
  ["cost", { ...RELAYED, traits: { cost: 11, capBytesPerSecond: 1_000 } }],
  ["limit", { ...RELAYED, traits: { cost: 10 } }],
  ["having traits", WITHOUT_TRAITS],
];

it("candidates are the same if all that is known of them is", () => {
  expect(areSameCandidates([RELAYED, WITHOUT_RELAY], [structuredClone(RELAYED), WITHOUT_RELAY])).toBe(true);
  expect(areSameCandidates([RELAYED, WITHOUT_RELAY], [WITHOUT_RELAY, RELAYED])).toBe(false);
  expect(areSameCandidates([RELAYED], [RELAYED, WITHOUT_RELAY])).toBe(false);
});

it.each(CHANGES)("another %s makes another candidate", (_what, changed) => {
  expect(areSameCandidates([RELAYED], [changed])).toBe(false);
  expect(areSameCandidates([changed], [RELAYED])).toBe(false);
});
