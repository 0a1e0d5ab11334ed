import type { WallTime } from "@asterism/core/time";
import { checkTurnUsername } from "@asterism/core/turn";
import { expect, it } from "vitest";
import { memberCredentials } from "./member-credentials.ts";

const NOW = 1_795_000_000_123;
const HOURS = 3_600_000;

it("credentials made from a secret are what a TURN server expects, for 12 hours", () => {
  const { username, password, expiresAt } = memberCredentials({ kind: "secret", secret: "s" }, "node-a", NOW);
  const checked = checkTurnUsername("s", username, NOW as WallTime);
  expect(checked).toMatchObject({ ok: true, password });
  if (!checked.ok) return;
  expect(new Date(checked.expiresAt).toISOString()).toBe(expiresAt);
  expect(checked.expiresAt - NOW).toBeGreaterThanOrEqual(12 * HOURS);
  expect(checked.expiresAt - NOW).toBeLessThanOrEqual(12 * HOURS + 1000);
  expect(checked.name).toMatch(/^[A-Za-z0-9_-]{20}$/);
});

it("a member has the same name at a relay for ever, another at another relay", () => {
  const name = (secret: string, nodeId: string, now = NOW) =>
    memberCredentials({ kind: "secret", secret }, nodeId, now).username.split(":")[1];
  expect(name("s", "node-a", NOW + 24 * HOURS)).toBe(name("s", "node-a"));
  expect(new Set([name("s", "node-a"), name("s", "node-b"), name("t", "node-a")]).size).toBe(3);
});

it("a fixed user is passed on as it is", () => {
  expect(memberCredentials({ kind: "user", username: "u", password: "p" }, "node-a", NOW)).toEqual({
    username: "u",
    password: "p",
    expiresAt: null,
  });
});
