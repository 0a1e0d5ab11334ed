import { NatDiscovery, type NatEvent, type NatReport, type NatType } from "@asterism/core/nat";
import type { PathAddress, UdpAddress } from "@asterism/core/net";
import { looksLikeStun, parseStun } from "@asterism/core/stun";
import type { Instant } from "@asterism/core/time";
import { describe, expect, it } from "vitest";
import type { LinkConditions } from "../../src/virtual-internet/link-model.ts";
import { NAT_BEHAVIOURS, type NatBehaviour, type NatOptions } from "../../src/virtual-internet/nat-table.ts";
import { SeededRandom } from "../../src/virtual-internet/seeded-random.ts";
import type { VirtualHost } from "../../src/virtual-internet/virtual-host.ts";
import { VirtualInternet } from "../../src/virtual-internet/virtual-internet.ts";
import type { FirewallKind, VirtualRouter } from "../../src/virtual-internet/virtual-router.ts";
import { type BehaviourServerOptions, runBehaviourServer } from "./behaviour-server.ts";

const WHOLE: BehaviourServerOptions = { addresses: ["192.0.2.10", "192.0.2.11"], ports: [3478, 3479], kind: "changes" };
const TWO_PORTS: BehaviourServerOptions = { addresses: ["192.0.2.10"], ports: [3478, 3479], kind: "ignores" };
const TWO_PORTS_CHANGING: BehaviourServerOptions = { ...TWO_PORTS, kind: "changes" };
const ANOTHER: BehaviourServerOptions = { name: "relay", addresses: ["192.0.2.20"], ports: [3478], kind: "ignores" };
const LOCAL_PORT = 41641;

interface Bench {
  readonly net: VirtualInternet;
  readonly host: VirtualHost;
  readonly router: VirtualRouter;
  readonly discovery: NatDiscovery;
  readonly events: (NatEvent & { readonly atMs: number })[];
  run(): NatReport;
}

interface BenchOptions {
  readonly nat: NatOptions | null;
  readonly servers: readonly BehaviourServerOptions[];
  /** Of the servers' addresses, those that the agent knows of. */
  readonly known?: (addresses: UdpAddress[]) => UdpAddress[];
  readonly firewall?: FirewallKind;
  readonly line?: LinkConditions;
  readonly seed?: number;
}

/** A host behind one router, and STUN servers; `run` asks until nothing is left to ask. */
function bench(options: BenchOptions): Bench {
  const seed = options.seed ?? 1;
  const net = new VirtualInternet(seed);
  const all = options.servers.flatMap((server) => runBehaviourServer(net, server));
  const servers = options.known?.(all) ?? all;
  const line = options.line ?? { delayMs: 20 };
  const router = net.lan("home", {
    ...(options.nat === null ? {} : { outsideIpv4: "198.51.100.1" }),
    nat: options.nat,
    firewall: options.firewall ?? "open",
    conditions: { up: line, down: line },
  });
  const host = net.host("laptop");
  const address = options.nat === null ? "198.51.100.7" : "192.168.1.2";
  const linkId = host.openSocket(host.connect(router.inside, { ipv4: address }), LOCAL_PORT);
  const random = new SeededRandom(seed);
  const discovery = new NatDiscovery((sizeBytes) => random.bytes(sizeBytes));
  const events: Bench["events"] = [];
  const startedMs = (): number => net.world.nowMs;
  let startMs = 0;
  const drain = (): void => {
    for (let event = discovery.pollEvent(); event !== undefined; event = discovery.pollEvent()) {
      events.push({ ...event, atMs: net.world.nowMs - startMs });
    }
  };
  host.run({
    handleDatagram(bytes: Uint8Array, from: PathAddress, now: Instant): boolean {
      const parsed = looksLikeStun(bytes) ? parseStun(bytes) : undefined;
      const isOurs = parsed?.ok === true && discovery.handleMessage(parsed.message, from, now);
      drain();
      return isOurs;
    },
    handleTimeout(now: Instant): void {
      discovery.handleTimeout(now);
      drain();
    },
    pollTimeout: () => discovery.pollTimeout(),
    pollTransmit: () => discovery.pollTransmit(),
  });
  const run = (): NatReport => {
    startMs = startedMs();
    events.length = 0;
    const links = [{ linkId, localAddresses: [{ address, port: LOCAL_PORT }] }];
    host.act((now) => discovery.run(links, servers, now));
    const tookMs = net.world.runUntil(() => !discovery.isRunning, 10_000);
    if (tookMs === undefined) expect.fail(`still running after 10 s\n${net.world.log.toMermaid()}`);
    const report = discovery.snapshot()[0];
    if (report === undefined) expect.fail("no report");
    return report;
  };
  return { net, host, router, discovery, events, run };
}

function natOf(mapping: NatBehaviour, filtering: NatBehaviour, more: Partial<NatOptions> = {}): NatOptions {
  return { mapping, filtering, ports: { kind: "random" }, ...more };
}

/** Rows: mapping; columns: filtering. */
const NAMES: Record<NatBehaviour, Record<NatBehaviour, NatType>> = {
  "endpoint-independent": {
    "endpoint-independent": "full cone",
    "address-dependent": "restricted cone",
    "address-and-port-dependent": "port-restricted cone",
  },
  "address-dependent": {
    "endpoint-independent": "symmetric",
    "address-dependent": "symmetric",
    "address-and-port-dependent": "symmetric",
  },
  "address-and-port-dependent": {
    "endpoint-independent": "symmetric",
    "address-dependent": "symmetric",
    "address-and-port-dependent": "symmetric",
  },
};

const MATRIX = NAT_BEHAVIOURS.flatMap((mapping) => NAT_BEHAVIOURS.map((filtering) => ({ mapping, filtering })));
const LOSSES = [0, 0.2];
const SEEDS = [1, 2, 3, 4, 5];

describe("a server with RFC 5780", () => {
  for (const lossRatio of LOSSES) {
    it.each(MATRIX)(
      `names $mapping mapping, $filtering filtering with ${lossRatio * 100} % loss each way`,
      (behaviour) => {
        for (const seed of SEEDS) {
          const { mapping, filtering } = behaviour;
          const line = { delayMs: 20, lossRatio };
          const report = bench({ nat: natOf(mapping, filtering), servers: [WHOLE], line, seed }).run();
          expect(report).toMatchObject({ udp: true, mapping, filtering, type: NAMES[mapping][filtering] });
        }
      },
    );
  }

  it("finds no NAT, with or without a firewall", () => {
    const open = bench({ nat: null, servers: [WHOLE] }).run();
    expect(open).toMatchObject({ type: "none", mapping: "endpoint-independent", filtering: "endpoint-independent" });
    expect(open.hairpin).toBeNull();
    const guarded = bench({ nat: null, servers: [WHOLE], firewall: "stateful" }).run();
    expect(guarded).toMatchObject({ type: "none", filtering: "address-and-port-dependent", udp: true });
  });

  it("that does not answer from where it says leaves the filtering open", () => {
    const nat = natOf("endpoint-independent", "endpoint-independent");
    const report = bench({ nat, servers: [{ ...WHOLE, kind: "lies" }, ANOTHER] }).run();
    expect(report).toMatchObject({ filtering: "unknown", mapping: "endpoint-independent", type: "unknown" });
  });

  it("is preferred to those without, wherever it stands in the list", () => {
    const nat = natOf("endpoint-independent", "address-dependent");
    const report = bench({ nat, servers: [ANOTHER, WHOLE], known: ([a, b]) => [a!, b!] }).run();
    expect(report).toMatchObject({ filtering: "address-dependent", type: "restricted cone" });
  });

  it("whose other address has been asked already tells what its ports tell", () => {
    // Both addresses are in the list, and the line is so slow that the second one is asked before the first answers.
    const known = (all: UdpAddress[]): UdpAddress[] => [all[0]!, all[2]!];
    const run = (filtering: NatBehaviour): NatReport =>
      bench({ nat: natOf("endpoint-independent", filtering), servers: [WHOLE], known, line: { delayMs: 300 } }).run();
    expect(run("endpoint-independent")).toMatchObject({ filtering: "unknown", type: "unknown" });
    expect(run("address-dependent").possibleFilterings).toEqual(["endpoint-independent", "address-dependent"]);
    expect(run("address-and-port-dependent").type).toBe("port-restricted cone");
  });
});

describe("servers with one address", () => {
  it.each(MATRIX)("two ports: $mapping mapping, $filtering filtering", ({ mapping, filtering }) => {
    const report = bench({ nat: natOf(mapping, filtering), servers: [TWO_PORTS] }).run();
    const isDependent = mapping === "address-and-port-dependent";
    expect(report.mapping).toBe(isDependent ? mapping : "unknown");
    expect(report.possibleMappings).toContain(mapping);
    expect(report).toMatchObject({ filtering: "unknown", type: isDependent ? "symmetric" : "unknown", udp: true });
  });

  it.each(MATRIX)("two ports and a relay: $mapping mapping, $filtering filtering", ({ mapping, filtering }) => {
    const report = bench({ nat: natOf(mapping, filtering), servers: [TWO_PORTS, ANOTHER] }).run();
    const isCone = mapping === "endpoint-independent";
    expect(report).toMatchObject({ mapping, filtering: "unknown", type: isCone ? "unknown" : "symmetric" });
  });

  it.each(MATRIX)("two changing ports and a relay: $mapping mapping, $filtering filtering", (behaviour) => {
    const { mapping, filtering } = behaviour;
    const report = bench({ nat: natOf(mapping, filtering), servers: [TWO_PORTS_CHANGING, ANOTHER] }).run();
    expect(report.mapping).toBe(mapping);
    expect(report.possibleFilterings).toContain(filtering);
    const isPortRestricted = filtering === "address-and-port-dependent";
    expect(report.filtering).toBe(isPortRestricted ? filtering : "unknown");
    if (isPortRestricted) expect(report.type).toBe(NAMES[mapping][filtering]);
  });

  it("two relays only: the mapping is the same or it is not", () => {
    const servers = [ANOTHER, { ...ANOTHER, name: "relay2", addresses: ["192.0.2.21"] }];
    const cone = bench({ nat: natOf("endpoint-independent", "address-dependent"), servers }).run();
    expect(cone).toMatchObject({ mapping: "endpoint-independent", type: "unknown" });
    const symmetric = bench({ nat: natOf("address-dependent", "address-dependent"), servers }).run();
    expect(symmetric).toMatchObject({ mapping: "unknown", type: "symmetric" });
  });
});

describe("discovery", () => {
  it("tells the mapped address after one round trip and reports within 3 s", () => {
    const nat = natOf("endpoint-independent", "address-and-port-dependent");
    const one = bench({ nat, servers: [WHOLE, ANOTHER] });
    one.run();
    expect(one.events[0]).toMatchObject({ kind: "mapped", atMs: 40, server: { address: "192.0.2.10" } });
    const last = one.events.at(-1);
    expect(last).toMatchObject({ kind: "report", isFinal: true });
    expect(last?.atMs).toBeLessThan(3_000);
    expect(one.events.filter(({ kind }) => kind === "report")).toHaveLength(1);
  });

  it("with 20 % loss each way reports within 3 s and ends within 5 s", () => {
    for (const seed of SEEDS) {
      const line = { delayMs: 100, lossRatio: 0.2 };
      const nat = natOf("endpoint-independent", "address-and-port-dependent");
      const one = bench({ nat, servers: [WHOLE, ANOTHER], line, seed });
      one.run();
      const reports = one.events.filter(({ kind }) => kind === "report");
      expect(reports[0]?.atMs).toBeLessThanOrEqual(3_001);
      expect(reports.at(-1)?.atMs).toBeLessThan(5_000);
    }
  });

  it("notices that UDP is blocked", () => {
    const nat = natOf("endpoint-independent", "endpoint-independent");
    const one = bench({ nat, servers: [WHOLE], firewall: "udp-blocked" });
    expect(one.run()).toMatchObject({ udp: false, type: "UDP blocked", mapping: "unknown", filtering: "unknown" });
    expect(one.events.at(-1)?.atMs).toBeLessThan(3_000);
  });

  it.each([true, false])("notices hairpinning: %s", (hairpin) => {
    const nat = natOf("endpoint-independent", "address-dependent", { hairpin });
    expect(bench({ nat, servers: [WHOLE] }).run().hairpin).toBe(hairpin);
  });

  it("runs again at once with the same result, and with another after a change of network", () => {
    const one = bench({ nat: natOf("endpoint-independent", "address-and-port-dependent"), servers: [WHOLE] });
    for (let i = 0; i < 3; i++) expect(one.run().type).toBe("port-restricted cone");
    one.router.setOutsideIpv4("198.51.100.77");
    const report = one.run();
    expect(report.type).toBe("port-restricted cone");
    expect(report.samples[0]?.mapped.address).toBe("198.51.100.77");
  });

  it("that is interrupted does not mislead the next one", () => {
    const one = bench({ nat: natOf("endpoint-independent", "address-and-port-dependent"), servers: [WHOLE] });
    const links = [{ linkId: 1, localAddresses: [{ address: "192.168.1.2", port: LOCAL_PORT }] }];
    for (let waitMs = 50; waitMs < 1_700; waitMs += 150) {
      one.host.act((now) => one.discovery.run(links, [{ address: "192.0.2.10", port: 3478 }], now));
      one.net.world.run(waitMs);
      expect(["port-restricted cone", "unknown"]).toContain(one.discovery.snapshot()[0]?.type);
    }
    expect(one.run().type).toBe("port-restricted cone");
  });

  it("without servers is over at once", () => {
    const one = bench({ nat: null, servers: [] });
    one.host.act((now) => one.discovery.run([{ linkId: 1, localAddresses: [] }], [], now));
    expect(one.discovery.isRunning).toBe(false);
    expect(one.discovery.snapshot()).toEqual([]);
  });
});

describe("ports of a symmetric NAT", () => {
  const symmetric = (ports: NatOptions["ports"]): NatReport =>
    bench({
      nat: natOf("address-and-port-dependent", "address-and-port-dependent", ports === undefined ? {} : { ports }),
      servers: [WHOLE, ANOTHER],
    }).run();

  it("are seen to be preserved", () => {
    expect(symmetric({ kind: "preserving" }).ports.pattern.kind).toBe("preserving");
  });

  it.each([1, 2, 7])("are seen to be sequential, %i apart", (step) => {
    expect(symmetric({ kind: "sequential", step }).ports.pattern).toMatchObject({
      kind: "sequential",
      step,
      othersPerSecond: 0,
    });
  });

  it("are seen to be random", () => {
    expect(symmetric({ kind: "random" }).ports.pattern).toEqual({ kind: "random" });
  });

  it("are seen to be of one block", () => {
    const { pattern } = symmetric({ kind: "port-block", sizePorts: 512 }).ports;
    if (pattern.kind !== "block") expect.fail(pattern.kind);
    expect(pattern.ranges.length).toBe(1);
    const [{ first, last } = { first: 0, last: 0 }] = pattern.ranges;
    expect(last - first + 1).toBeGreaterThanOrEqual(256);
    expect(last - first + 1).toBeLessThanOrEqual(1_024);
  });
});
