import { readFileSync } from "node:fs";
import type { Host } from "../net/host.ts";
import type { Lab } from "../net/lab.ts";

/** Where clients are, where peers are, and the relay's machine between them, by one cable each. */
export interface Stage {
  readonly lab: Lab;
  readonly clients: Host;
  readonly relay: Host;
  readonly peers: Host;
  /** Several, because a relay may limit the requests of one address. */
  readonly clientAddresses: readonly string[];
  readonly relayAddress: string;
  readonly peerAddress: string;
}

/**
 * Which cables carry UDP batches whole, to be cut at their end (UDP segmentation offload): both, as veth pairs do; only
 * the relay's towards the peers, so that packets come to the relay one by one; or none.
 */
export type Segmentation = "whole" | "single-in" | "single";

const CLIENT_ADDRESSES = 8;
/** The relay's machine has one interface towards each side. */
const TO_CLIENTS = "eth0";
const TO_PEERS = "eth1";

export async function openStage(lab: Lab): Promise<Stage> {
  const [clients, relay, peers] = await Promise.all([lab.host("clients"), lab.host("relay"), lab.host("peers")]);
  const inner = await lab.wire(relay, clients);
  const outer = await lab.wire(relay, peers);
  const clientAddresses = Array.from({ length: CLIENT_ADDRESSES }, (_, index) => `198.51.100.${index + 10}`);
  const [relayAddress, relayOuter, peerAddress] = ["198.51.100.1", "203.0.113.1", "203.0.113.10"];
  const outside = outer.b.interfaceName;
  await Promise.all([
    clients.ip(clientAddresses.map((address) => `addr add ${address}/24 dev ${inner.b.interfaceName}`)),
    relay.ip([`addr add ${relayAddress}/24 dev ${TO_CLIENTS}`, `addr add ${relayOuter}/24 dev ${TO_PEERS}`]),
    peers.ip([`addr add ${peerAddress}/24 dev ${outside}`, `route add default via ${relayOuter} dev ${outside}`]),
  ]);
  return { lab, clients, relay, peers, clientAddresses, relayAddress, peerAddress };
}

export async function setSegmentation({ clients, relay, peers }: Stage, segmentation: Segmentation): Promise<void> {
  const set = (host: Host, device: string, on: boolean) =>
    host.exec(["ethtool", "-K", device, "tx-udp-segmentation", on ? "on" : "off"]);
  const [inOn, outOn] = [segmentation === "whole", segmentation !== "single"];
  await Promise.all([
    set(clients, TO_CLIENTS, inOn),
    set(relay, TO_CLIENTS, inOn),
    set(relay, TO_PEERS, outOn),
    set(peers, TO_CLIENTS, outOn),
  ]);
}

/** Who runs where, so that the load does not take from the relay what it measures. */
export interface Cores {
  readonly load: readonly number[];
  readonly relay: readonly number[];
}

/** Half of the cores for each; with a single one they share. */
export function divideCores(all: readonly number[] = usableCores()): Cores {
  const half = Math.floor(all.length / 2);
  return half === 0 ? { load: all, relay: all } : { load: all.slice(0, half), relay: all.slice(half) };
}

/** What this process may run on, which can be less than the machine has. */
function usableCores(): number[] {
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return parseCoreList(list);
}

/** `0-2,5` as Linux writes it. */
export function parseCoreList(list: string): number[] {
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

export function onCores(cores: readonly number[], argv: readonly string[]): string[] {
  return ["taskset", "--cpu-list", cores.join(","), ...argv];
}
