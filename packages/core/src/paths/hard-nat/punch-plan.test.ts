import { describe, expect, it } from "vitest";
import type { NatFacts } from "../../nat/index.ts";
import { type CandidateKind, candidatePriority, type RemoteCandidate } from "../candidate.ts";
import { mayAimAt, planPunch, publicAddressOf, vantages } from "./punch-plan.ts";

type Kind = "varying" | "same" | "unknown" | "ambiguous" | "blocked";

function nats(kind: Kind): NatFacts[] {
  const facts = { family: 4, filtering: "unknown", type: "unknown", udp: true } as const;
  switch (kind) {
    case "varying":
      return [{ ...facts, type: "symmetric", mapping: "address-and-port-dependent" }];
    case "ambiguous":
      return [{ ...facts, type: "symmetric", mapping: "unknown" }];
    case "same":
      return [{ ...facts, type: "port-restricted cone", mapping: "endpoint-independent" }];
    case "unknown":
      return [];
    case "blocked":
      return [{ ...facts, udp: false, mapping: "unknown" }];
  }
}

function candidate(kind: CandidateKind, address: string, port = 41_641): RemoteCandidate {
  return { kind, address: { address, port }, priority: candidatePriority(kind, 0) };
}

describe("who does what", () => {
  it.each<[Kind, Kind, "sockets" | "ports" | undefined, boolean]>([
    ["varying", "same", "sockets", true],
    ["ambiguous", "same", "sockets", true],
    ["same", "varying", "ports", true],
    ["varying", "unknown", "sockets", false],
    ["unknown", "varying", "ports", false],
    ["same", "same", "ports", false],
    ["unknown", "unknown", "ports", false],
    ["varying", "varying", undefined, false],
    ["blocked", "varying", undefined, false],
    ["same", "blocked", undefined, false],
  ])("ports are %s here and %s there: %s, certain: %s", (own, peer, role, isCertain) => {
    expect(planPunch(nats(own), nats(peer), { lastRole: undefined, areForetold: false })).toEqual(
      role === undefined ? undefined : { role, isCertain },
    );
  });

  it("two NATs with varying ports are aimed at if both can be foretold", () => {
    const options = { lastRole: undefined, areForetold: true };
    expect(planPunch(nats("varying"), nats("varying"), options)).toEqual({ role: "aimed", isCertain: true });
    expect(planPunch(nats("varying"), nats("same"), options)?.role).toBe("sockets");
  });

  it("takes turns where nothing is known", () => {
    const roles = ([undefined, "ports", "sockets"] as const).map(
      (lastRole) => planPunch([], nats("same"), { lastRole, areForetold: false })?.role,
    );
    expect(roles).toEqual(["ports", "sockets", "ports"]);
  });
});

describe("where it is aimed", () => {
  it("our vantage of a link is what a STUN server saw, else a public address of the host", () => {
    const at = (linkId: number, candidate: RemoteCandidate) => ({ ...candidate, linkId });
    const local = [
      at(1, candidate("host", "192.168.1.2")),
      at(1, candidate("server-reflexive", "203.0.113.1", 7_000)),
      at(2, candidate("host", "203.0.113.9")),
      at(2, candidate("relayed", "198.51.100.1")),
      at(3, candidate("host", "2001:db8::1")),
    ];
    expect(vantages(local)).toEqual([
      { linkId: 1, address: { address: "203.0.113.1", port: 7_000 } },
      { linkId: 2, address: { address: "203.0.113.9", port: 41_641 } },
    ]);
  });

  it("only at a public IPv4 address that the peer offers as its own", () => {
    const remote = [candidate("host", "192.168.1.2"), candidate("server-reflexive", "203.0.113.1", 7_000)];
    const mayAim = (address: string): boolean => mayAimAt({ address, port: 9 }, remote);
    expect(["203.0.113.1", "192.168.1.2", "203.0.113.2", "127.0.0.1", "2001:db8::1"].map(mayAim)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
    expect(publicAddressOf(remote)).toBe("203.0.113.1");
    expect(publicAddressOf([candidate("host", "10.0.0.1"), candidate("relayed", "198.51.100.1")])).toBeUndefined();
  });
});
