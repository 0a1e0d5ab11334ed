import type { RelaysMessage } from "@asterism/core/control";
import type { WallTime } from "@asterism/core/time";
import { expect, it } from "vitest";
import { exampleRelays } from "../../test/example-membership.ts";
import { unexpiredRelays } from "./cached-relays.ts";

it("relays are forgotten when their credentials have expired, STUN servers are not", () => {
  const now = Date.UTC(2026, 0, 1, 12) as WallTime;
  const at = (expiresAt: string | null): RelaysMessage => exampleRelays(expiresAt);
  expect(unexpiredRelays(at("2026-01-01T12:00:01.000Z"), now)).toEqual(at("2026-01-01T12:00:01.000Z"));
  expect(unexpiredRelays(at(null), now).relays).toHaveLength(1);
  const expired = unexpiredRelays(at("2026-01-01T12:00:00.000Z"), now);
  expect(expired.relays).toEqual([]);
  expect(expired.stunServers).toEqual(at(null).stunServers);
});
