import { describe, expect, it } from "vitest";
import { exampleAllocation, exampleGathering, exampleNat, exampleRelay } from "../../test/gathering-facts.ts";
import { createParser } from "../control/parse.ts";
import type { GatheringSnapshot } from "../gathering/index.ts";
import { NetworkCheck } from "../local-api/index.ts";
import type { Instant, WallTime } from "../time.ts";
import { type NetcheckFacts, netcheckReport } from "./netcheck-report.ts";

const parse = createParser("network check", NetworkCheck);

function report(
  gathering: Partial<GatheringSnapshot>,
  connected = true,
  more: Partial<NetcheckFacts> = {},
): NetworkCheck {
  const made = netcheckReport({
    network: "default",
    server: { url: "https://198.51.100.9", connected },
    gathering: exampleGathering(gathering),
    linkTo: (address) => (address.includes(":") ? null : "eth0"),
    at: Date.UTC(2026, 0, 1) as WallTime,
    now: 5_000 as Instant,
    ...more,
  });
  expect(parse(made)).toEqual({ ok: true, value: made });
  return made;
}

const blocked = exampleNat({ udp: false, type: "UDP blocked", mapping: "unknown", filtering: "unknown", samples: [] });

describe("the report", () => {
  it("says what is known of a NAT, in RFC 4787 words and by its folk name", () => {
    expect(report({})).toEqual({
      network: "default",
      checkedAt: "2026-01-01T00:00:00.000Z",
      server: { url: "https://198.51.100.9", connected: true },
      proxy: null,
      lossyPeers: [],
      udp: true,
      ipv4: true,
      ipv6: null,
      links: [
        {
          link: "eth0",
          ipVersion: 4,
          udp: true,
          mapping: "endpoint-independent",
          filtering: "address-and-port-dependent",
          type: "port-restricted cone",
          publicAddresses: ["203.0.113.7:41641"],
          localAddresses: ["192.168.1.2:41641"],
          hairpin: false,
          ports: "preserving",
          nextPorts: null,
        },
      ],
      portMappings: [],
      portMapping: null,
      stunServers: [
        { address: "198.51.100.1:3478", link: "eth0", answered: true, rttMs: 20.123, mapped: "203.0.113.7:41641" },
      ],
      relays: [
        {
          name: "relay.example",
          addresses: ["198.51.100.1:3478"],
          rttMs: 20.123,
          preferred: true,
          state: "ready",
          transport: null,
          relayedAddresses: [],
          problem: null,
        },
      ],
      advice: { case: "port-restricted", text: expect.any(String) as unknown },
    });
  });

  it("lists servers that were asked in vain, but none of an IP version that this host lacks", () => {
    const servers = [
      { address: "198.51.100.1", port: 3478 },
      { address: "198.51.100.2", port: 3478 },
      { address: "2001:db8::1", port: 3478 },
    ];
    const { stunServers } = report({ servers });
    expect(stunServers.map(({ address, answered }) => [address, answered])).toEqual([
      ["198.51.100.1:3478", true],
      ["198.51.100.2:3478", false],
    ]);
  });

  it("prefers the relay in use, else the nearest; a silent or failing one says why", () => {
    const far = exampleRelay({
      id: "r2",
      name: "far",
      addresses: [{ address: "198.51.100.2", port: 3478 }],
      rttMs: 90,
    });
    const samples = [
      ...exampleNat().samples,
      { server: { address: "198.51.100.2", port: 3478 }, mapped: { address: "203.0.113.7", port: 41_641 }, rttMs: 90 },
    ];
    const nats = [exampleNat({ samples })];
    const preferred = (relays: GatheringSnapshot["relays"]): string[] =>
      report({ nats, relays })
        .relays.filter((relay) => relay.preferred)
        .map(({ name }) => name);
    expect(preferred([far, exampleRelay()])).toEqual(["relay.example"]);
    expect(preferred([{ ...far, isPreferred: true }, exampleRelay()])).toEqual(["far"]);
    const inUse = report({ relays: [exampleRelay({ allocations: [exampleAllocation()] })] });
    expect(inUse.relays[0]).toMatchObject({ state: "in-use", relayedAddresses: ["198.51.100.1:50000"], problem: null });
    const stream = exampleAllocation({ transport: "tls", rttMs: 70 });
    const overTls = report({ nats: [blocked], relays: [exampleRelay({ allocations: [stream] })] });
    expect(overTls.relays[0]).toMatchObject({ state: "in-use", transport: "tls", rttMs: 70, preferred: true });
    expect(report({ relays: [far] }).relays[0]).toMatchObject({ state: "silent", rttMs: null, preferred: false });
    const lastFailure = { at: 1 as Instant, reason: "credentials-refused", code: 401 } as const;
    const refused = exampleAllocation({ state: "waiting", relayedAddresses: [], lastFailure });
    expect(report({ relays: [exampleRelay({ allocations: [refused] })] }).relays[0]).toMatchObject({
      state: "failing",
      problem: expect.stringContaining("secret") as unknown,
    });
  });

  it("says what the router answers to the wish for a port mapping", () => {
    const external = { address: "203.0.113.7", port: 41_641 };
    const mapping = { linkId: 1, protocol: "pcp", external, expiresAt: 65_000 as Instant, problem: null } as const;
    expect(report({ portMappings: [mapping] }).portMapping).toEqual({
      protocol: "pcp",
      external: "203.0.113.7:41641",
      expiresAt: "2026-01-01T00:01:00.000Z",
      problem: null,
    });
    const problem = { code: "refused", text: "it refuses" } as const;
    const refusal = { linkId: 1, protocol: null, external: null, expiresAt: null, problem };
    expect(report({ portMappings: [refusal] }).portMapping?.problem).toEqual({ case: "refused", text: "it refuses" });
    expect(report({ portMappings: [refusal, mapping] }).portMapping?.protocol).toBe("pcp");
  });

  it("tells UDP and the IP versions apart", () => {
    const ipv6 = exampleNat({ family: 6, type: "none", samples: [] });
    expect(report({ nats: [blocked, ipv6] })).toMatchObject({ udp: true, ipv4: false, ipv6: true });
    expect(report({ nats: [blocked] })).toMatchObject({ udp: false, ipv4: false, ipv6: null });
    expect(report({ nats: [], servers: [] })).toMatchObject({ udp: null, ipv4: null, ipv6: null, links: [] });
  });
});

describe("the advice", () => {
  const symmetric = exampleNat({ type: "symmetric", mapping: "address-and-port-dependent" });
  const open = exampleNat({ type: "none", filtering: "endpoint-independent" });
  const portMapped = {
    kind: "port-mapped",
    address: { address: "203.0.113.7", port: 7 },
    linkId: 1,
    priority: 1,
  } as const;
  const ipv6 = exampleNat({ family: 6, type: "none" });
  const behindNat = {
    linkId: 1,
    protocol: "pcp",
    external: { address: "100.64.0.7", port: 7 },
    expiresAt: 1 as Instant,
    problem: { code: "behind-nat", text: "" },
  } as const;

  const notConnected = { ...behindNat, external: null, problem: { code: "not-connected", text: "" } } as const;

  it.each<[string, Partial<GatheringSnapshot>, string]>([
    ["no-servers", { nats: [], servers: [], relays: [] }, "asterism admin relay add"],
    ["udp-blocked", { nats: [blocked] }, "relay.example"],
    ["port-mapped", { candidates: [portMapped] }, "203.0.113.7:7"],
    ["public", { nats: [open] }, "no NAT"],
    ["public-firewalled", { nats: [exampleNat({ type: "none" })] }, "UDP port 41641"],
    ["easy-nat", { nats: [exampleNat({ type: "full cone" })] }, "nobody's way"],
    ["easy-nat", { nats: [exampleNat({ type: "restricted cone" })] }, "nobody's way"],
    ["port-restricted", {}, "symmetric"],
    ["symmetric", { nats: [symmetric] }, "forward UDP port 41641"],
    ["double-nat", { nats: [symmetric], portMappings: [behindNat] }, "provider"],
    ["double-nat", { portMappings: [behindNat] }, "behind symmetric NATs"],
    ["double-nat", { portMappings: [notConnected] }, "behind symmetric NATs"],
    ["easy-nat", { nats: [exampleNat({ type: "full cone" })], portMappings: [behindNat] }, "nobody's way"],
    ["symmetric-with-ipv6", { nats: [symmetric, ipv6] }, "IPv6 works"],
    ["public-firewalled", { nats: [blocked, ipv6] }, "firewall"],
    ["uncertain", { nats: [exampleNat({ type: "unknown", filtering: "unknown" })] }, "RFC 5780"],
  ])("%s", (name, gathering, words) => {
    const { advice } = report(gathering);
    expect(advice.case).toBe(name);
    expect(advice.text).toContain(words);
  });

  it("tells what the proxy did when the server is out of reach, and that streams run through it", () => {
    const proxy = { url: "http://proxy:3128", problem: "refuses (407)" };
    expect(report({ nats: [blocked] }, false, { proxy }).advice).toEqual({
      case: "proxy-fails",
      text: expect.stringMatching(/neither directly nor through the proxy http:\/\/proxy:3128, which refuses \(407\)/),
    });
    expect(report({ nats: [] }, false, { proxy }).advice.case).toBe("proxy-fails");
    const stream = exampleRelay({ allocations: [exampleAllocation({ transport: "tls" })] });
    const working = { ...proxy, problem: null };
    const { text } = report({ nats: [blocked], relays: [stream] }, true, { proxy: working }).advice;
    expect(text).toContain("a relay over TLS, through the proxy http://proxy:3128");
  });

  it("names peers that are not reached directly because of losses", () => {
    const one = report({}, true, { lossyPeers: ["b"] }).advice;
    expect([one.case, one.text.includes("straight to b"), one.text.includes("one end")]).toEqual([
      "udp-throttled",
      true,
      true,
    ]);
    expect(report({}, true, { lossyPeers: ["b", "c"] }).advice.text).toContain("in front of this machine");
  });

  it("without the server, nothing that it would have told is blamed on a firewall", () => {
    expect(report({ nats: [blocked] }, false).advice.case).toBe("offline");
    expect(report({ nats: [], servers: [], relays: [] }, false).advice.case).toBe("server-unreachable");
  });
});
