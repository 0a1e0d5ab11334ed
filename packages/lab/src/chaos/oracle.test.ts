import { describe, expect, it } from "vitest";
import { type MemberFacts, wayBetween } from "./oracle.ts";

const CONE = "endpoint-independent";
const BY_PORT = "address-and-port-dependent";
const PUBLIC: MemberFacts = {
  isAlive: true,
  hasLine: true,
  isUdpBlocked: false,
  hasIpv6: false,
  lan: undefined,
  mapping: CONE,
  filtering: CONE,
  reachesRelay: true,
};
const restricted = (): MemberFacts => ({ ...PUBLIC, lan: {}, filtering: BY_PORT });
const symmetric = (): MemberFacts => ({ ...restricted(), mapping: BY_PORT });

describe("the oracle", () => {
  it("knows which NATs can be opened without guessing", () => {
    expect(wayBetween(PUBLIC, symmetric(), false)).toBe("direct");
    expect(wayBetween(restricted(), restricted(), false)).toBe("direct");
    expect(wayBetween({ ...symmetric(), filtering: CONE }, symmetric(), false)).toBe("relayed");
    expect(wayBetween(restricted(), symmetric(), false)).toBe("relayed");
    expect(wayBetween({ ...restricted(), filtering: "address-dependent" }, symmetric(), false)).toBe("direct");
    expect(wayBetween({ ...symmetric(), hasIpv6: true }, { ...symmetric(), hasIpv6: true }, false)).toBe("direct");
  });

  it("knows what a local network, a cut and a blocked site leave", () => {
    const at = symmetric();
    expect(wayBetween({ ...at, hasLine: false }, { ...at, hasLine: false }, false)).toBe("direct");
    expect(wayBetween(PUBLIC, restricted(), true)).toBe("relayed");
    expect(wayBetween(PUBLIC, { ...restricted(), isUdpBlocked: true }, false)).toBe("relayed");
    expect(wayBetween(PUBLIC, { ...restricted(), isUdpBlocked: true, reachesRelay: false }, false)).toBe("none");
    expect(wayBetween(PUBLIC, { ...PUBLIC, isAlive: false }, false)).toBe("none");
    expect(wayBetween({ ...restricted(), reachesRelay: false }, restricted(), false)).toBe("none");
    expect(wayBetween({ ...restricted(), reachesRelay: false }, PUBLIC, false)).toBe("direct");
  });
});
