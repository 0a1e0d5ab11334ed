import type { NatReport } from "@asterism/core/nat";
import { describe, expect, it } from "vitest";
import { natStatus } from "./nat-status.ts";

function report(more: Partial<NatReport>): NatReport {
  return {
    linkId: 1,
    family: 4,
    udp: true,
    mapping: "endpoint-independent",
    filtering: "address-and-port-dependent",
    possibleMappings: [],
    possibleFilterings: [],
    type: "port-restricted cone",
    hairpin: null,
    samples: [],
    ports: { address: null, pattern: { kind: "unknown" } },
    portSamples: [],
    ...more,
  };
}

describe("the NAT in the status", () => {
  it("is unknown before anything was found out", () => {
    expect(natStatus([])).toEqual({ mapping: "unknown", filtering: "unknown", type: "unknown", udp: null });
  });

  it("is that of IPv4, unless only IPv6 lets UDP pass", () => {
    const ipv6 = report({ family: 6, type: "none" });
    expect(natStatus([ipv6, report({})]).type).toBe("port-restricted cone");
    const blocked = report({ udp: false, type: "UDP blocked", mapping: "unknown", filtering: "unknown" });
    expect(natStatus([blocked, ipv6]).type).toBe("none");
    expect(natStatus([blocked])).toEqual({ mapping: "unknown", filtering: "unknown", type: "udp blocked", udp: false });
  });
});
