import type { PathStatus, PeerStatus } from "@asterism/core/local-api";
import { expect, test } from "vitest";
import { formatPeerTable } from "./peer-table.ts";

function path(link: string, weight: number, rttMs: number, rateBitsPerSecond: number | null): PathStatus {
  const counts = { queueingMs: 0, lostPackets: 0, resentPackets: 3, lossRatio: 0.01, dead: false };
  return {
    kind: "direct",
    remote: "192.0.2.1:41641",
    link,
    state: weight > 0 ? "active" : "standby",
    rttMs: 2 * rttMs,
    lossRatio: 0,
    mtuBytes: 1_440,
    txBytes: 2_048,
    rxBytes: 0,
    weight,
    spread: weight > 0 ? { rateBitsPerSecond, rttMs, ...counts } : null,
    idleBecause: weight > 0 ? null : "costly",
  };
}

function peer(mode: PeerStatus["mode"], paths: PathStatus[]): PeerStatus {
  return {
    name: "nas",
    fqdn: "nas.home.internal",
    ipv4: "100.64.0.2",
    ipv6: null,
    nodeKey: "",
    online: true,
    path: { kind: "direct", remote: "192.0.2.1:41641", link: "eth0", relay: null, rttMs: 24 },
    paths,
    mode,
    modeBy: "command",
    aead: null,
    txBytes: 4_096,
    rxBytes: 0,
    txPackets: 9,
    rxPackets: 3,
    txRelayedPackets: 2,
    rxRelayedPackets: 0,
    lastHandshake: null,
    problem: null,
  };
}

/** Lines of the table without its heading, their cells with single spaces between. */
function lines(one: PeerStatus): string[] {
  const [, ...rest] = formatPeerTable([one]).split("\n");
  return rest.map((line) => line.trim().replaceAll(/ {2,}/g, " | "));
}

test("several paths in use are shown one by one, with the round trip of the fastest, and no rate that nobody knows", () => {
  const paths = [path("eth0", 0.75, 12, 20e6), path("eth1", 0.25, 9, null), path("eth2", 0, 5, null)];
  expect(lines(peer("auto", paths))).toEqual([
    "nas | 100.64.0.2 | online | auto over 2 paths | 9.00 ms | 4.0 KiB | 0 B | 10 | 2",
    "75 % direct 192.0.2.1:41641 via eth0 | 12.0 ms | 2.0 KiB | 0 B | 20.0 Mbit/s, 1 % lost, 3 sent again",
    "25 % direct 192.0.2.1:41641 via eth1 | 9.00 ms | 2.0 KiB | 0 B | 1 % lost, 3 sent again",
  ]);
});

test("one path is one line", () => {
  const line = "nas | 100.64.0.2 | online | direct 192.0.2.1:41641 via eth0 | 24.0 ms | 4.0 KiB | 0 B | 10 | 2";
  expect(lines(peer("best", [path("eth0", 1, 12, null)]))).toEqual([line]);
  expect(lines(peer("auto", [path("eth0", 1, 12, null), path("eth2", 0, 5, null)]))).toEqual([line]);
});
