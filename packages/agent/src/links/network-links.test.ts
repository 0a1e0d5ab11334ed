import { setImmediate } from "node:timers/promises";
import type { LinkSettings } from "@asterism/core/local-api";
import type { Mesh } from "@asterism/core/mesh";
import { type Nat64Prefix, parseNat64Prefix } from "@asterism/core/nat64";
import type { UdpAddress } from "@asterism/core/net";
import type { ClockReading } from "@asterism/core/time";
import pino from "pino";
import { expect, test } from "vitest";
import { loneMesh } from "../../test/lone-mesh.ts";
import type { HostAddress } from "../platform/host-addresses.ts";
import { Nat64 } from "../platform/nat64.ts";
import { RouteTable } from "../platform/route-table.linux.ts";
import { NetworkLinks, type RunMesh } from "./network-links.ts";

const HEADING = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT";
const IPV4_DEFAULT = "eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0";
/** To 203.0.113.0/24. */
const SERVER_ROUTE = "eth5\t007100CB\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0";
const ZEROS = "0".repeat(32);
const IPV6_DEFAULT = `${ZEROS} 00 ${ZEROS} 00 20010db8000000000000000000000001 00000400 00000001 00000000 00000003     eth0`;
const SERVER: UdpAddress = { address: "203.0.113.5", port: 3478 };
const logger = pino({ level: "silent" });

/** The links of a network on a host without IPv4, and where its mesh sends what is for the STUN server. */
function scene() {
  let prefixes: readonly Nat64Prefix[] = [];
  let ipv4: readonly string[] = [];
  let nowMs = 1_000_000;
  const nat64 = new Nat64(logger, () => links.handleNat64Change(), {
    readRoutes: () => RouteTable.parse([HEADING, ...ipv4], [IPV6_DEFAULT]),
    discover: () => Promise.resolve(prefixes),
  });
  const links = new NetworkLinks({
    device: { openLink: () => ({ id: 1, port: 41_641, ipv4: true, ipv6: true }), closeLink: () => undefined },
    logger,
    settings: () => ({ use: "any" }),
    ports: () => ({ first: 0, byName: {} }),
    onPort: () => undefined,
    ownInterfaces: () => new Set(),
    interfaceIndex: () => undefined,
    withOwn: (addresses) => nat64.withOwn(addresses.filter(({ family }) => family === "IPv6")),
    portMappingNonce: null,
  });
  const mesh = loneMesh((sizeBytes) => new Uint8Array(sizeBytes).fill(nowMs));
  const asked: string[] = [];
  const drain = (): void => {
    for (let effect = mesh.pollEffect(); effect !== undefined; effect = mesh.pollEffect()) {
      if (effect.kind === "send-datagram") asked.push(nat64.outward(effect.to.remote).address);
    }
  };
  const runMesh = (input: (mesh: Mesh, time: ClockReading) => void): void => {
    nowMs += 200;
    input(mesh, { now: nowMs, wall: nowMs } as ClockReading);
    drain();
  };
  links.start(runMesh);
  runMesh((_, time) => {
    mesh.handleRelays({ type: "relays", relays: [], stunServers: [{ ...SERVER, alternatePort: null }] }, time);
  });
  return {
    links,
    /** The host's routes or resolver have changed, and nothing else. Where the server is asked then. */
    change: async (text: string | null, routes: readonly string[] = []): Promise<readonly string[]> => {
      for (let step = 0; step < 20; step++) runMesh((_, time) => mesh.handleTimeout(time));
      asked.length = 0;
      prefixes = text === null ? [] : [parseNat64Prefix(text)!];
      ipv4 = routes;
      nat64.refresh();
      await setImmediate();
      nat64.stop();
      return asked.splice(0);
    },
  };
}

test("a NAT64 that appears, gets another prefix and goes has candidates follow and servers asked anew", async () => {
  const { links, change } = scene();
  const offered = (): boolean => links.candidates().some(({ address }) => address.address === "192.0.0.2");
  expect(offered()).toBe(false);
  expect(await change("2001:db8:64::/96")).toContain("2001:db8:64::cb00:7105");
  expect(offered()).toBe(true);
  expect(await change("2001:db8:65::/96")).toContain("2001:db8:65::cb00:7105");
  expect(offered()).toBe(true);
  await change(null, [IPV4_DEFAULT]);
  expect(offered()).toBe(false);
});

/** A host with a default route by eth0, and one to a server's network by eth5. Which links are open, and those that were closed. */
function twoInterfaces(first: LinkSettings) {
  const world = { settings: first, open: new Map<number, string>(), closed: [] as string[] };
  const addresses: HostAddress[] = [
    { interfaceName: "eth0", address: "192.168.0.7", family: "IPv4" },
    { interfaceName: "eth5", address: "198.51.100.7", family: "IPv4" },
  ];
  let nextId = 1;
  const links = new NetworkLinks({
    device: {
      openLink: ({ bindInterface = "any", port }) => {
        world.open.set(nextId, bindInterface);
        return { id: nextId++, port: port || 50_000, ipv4: true, ipv6: true };
      },
      closeLink: (id) => {
        world.closed.push(world.open.get(id) ?? "unknown");
        world.open.delete(id);
      },
    },
    logger,
    settings: () => world.settings,
    ports: () => ({ first: 0, byName: {} }),
    onPort: () => undefined,
    ownInterfaces: () => new Set(),
    interfaceIndex: () => undefined,
    withOwn: () => addresses,
    portMappingNonce: null,
    readRoutes: () => RouteTable.parse([HEADING, IPV4_DEFAULT, SERVER_ROUTE], []),
  });
  const mesh = loneMesh((sizeBytes) => new Uint8Array(sizeBytes).fill(world.open.size));
  const runMesh: RunMesh = (input) => input(mesh, { now: 1_000_000, wall: 1_000_000 } as ClockReading);
  return {
    ...world,
    start: () => links.start(runMesh),
    set: (settings: LinkSettings) => {
      world.settings = settings;
    },
    names: () => [...world.open.values()],
    offered: () => mesh.gathering().candidates.map(({ linkId }) => world.open.get(linkId)),
    learnServer: () => {
      runMesh((_, time) => {
        mesh.handleRelays({ type: "relays", relays: [], stunServers: [{ ...SERVER, alternatePort: null }] }, time);
      });
      links.handleServers();
    },
  };
}

test("settings that change between the opening of links and the start of the mesh are heeded", () => {
  const { set, start, names, offered, closed } = twoInterfaces({ use: ["eth0"] });
  set({ use: ["eth5"] });
  start();
  expect([names(), closed, offered()]).toEqual([["eth5"], ["eth0"], ["eth5"]]);
});

test("an interface by which a route leads to a server is used as soon as the server is known", () => {
  const { start, names, offered, learnServer } = twoInterfaces({ use: "auto" });
  start();
  expect(names()).toEqual(["eth0"]);
  learnServer();
  expect(names()).toEqual(["eth0", "eth5"]);
  expect(offered()).toEqual(["eth0", "eth5"]);
});
