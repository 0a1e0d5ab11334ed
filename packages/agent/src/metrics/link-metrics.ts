import type { LinkPath, LinkStatus, NetworkLinks } from "@asterism/core/local-api";
import type { Registry } from "prom-client";
import { networkLinks } from "../links/link-status.ts";
import type { OverlayNetwork } from "../overlay/overlay-network.ts";
import { addCounter, addGauge } from "./collected.ts";

const LABELS = ["network", "link"] as const;

/**
 * By link, never by peer: there are 8 links at most, and nothing tells who the peers are. What concerns one peer is in
 * `asterism explain`.
 */
export function addLinkMetrics(registry: Registry, networks: () => readonly OverlayNetwork[]): void {
  let current: readonly NetworkLinks[] | undefined;
  // All metrics are read in one turn, and looking at the paths of all peers takes its time.
  const lookOnce = (): readonly NetworkLinks[] => {
    if (current === undefined) {
      current = networks().map(networkLinks);
      queueMicrotask(() => {
        current = undefined;
      });
    }
    return current;
  };
  const forEachLink = (read: (labels: { network: string; link: string }, link: LinkStatus) => void): void => {
    for (const { network, links } of lookOnce()) for (const link of links) read({ network, link: link.name }, link);
  };
  const prefix = "asterism_agent_link";
  addGauge(registry, `${prefix}_up`, "Whether the link is in use", LABELS, (gauge) => {
    forEachLink((labels, { state }) => gauge.set(labels, state === "up" ? 1 : 0));
  });
  const directions = [...LABELS, "direction"] as const;
  addCounter(registry, `${prefix}_bytes_total`, "Bytes of the tunnels by the link", directions, (counter) => {
    forEachLink((labels, { txBytes, rxBytes }) => {
      counter.inc({ ...labels, direction: "out" }, txBytes);
      counter.inc({ ...labels, direction: "in" }, rxBytes);
    });
  });
  addCounter(registry, `${prefix}_packets_total`, "Packets of the tunnels by the link", directions, (counter) => {
    forEachLink((labels, { txPackets, rxPackets }) => {
      counter.inc({ ...labels, direction: "out" }, txPackets);
      counter.inc({ ...labels, direction: "in" }, rxPackets);
    });
  });
  addCounter(registry, `${prefix}_lost_packets_total`, "Packets that got lost after the link", LABELS, (counter) => {
    forEachLink((labels, { lostPackets }) => counter.inc(labels, lostPackets));
  });
  addCounter(
    registry,
    `${prefix}_resent_packets_total`,
    "Packets that were sent again by the link, lost on any",
    LABELS,
    (counter) => forEachLink((labels, { resentPackets }) => counter.inc(labels, resentPackets)),
  );
  addGauge(
    registry,
    `${prefix}_paths`,
    "Paths to peers in use over the link, and those of them by which nothing arrives just now",
    [...LABELS, "state"],
    (gauge) => {
      forEachLink((labels, { paths }) => {
        const dead = paths.filter(({ spread }) => spread?.dead === true).length;
        gauge.set({ ...labels, state: "alive" }, paths.length - dead);
        gauge.set({ ...labels, state: "dead" }, dead);
      });
    },
  );
  addGauge(registry, `${prefix}_rtt_seconds`, "Round trip of the fastest path in use", LABELS, (gauge) => {
    forEachLink((labels, { paths }) => {
      const rttsMs = paths.flatMap(rttOf);
      if (rttsMs.length > 0) gauge.set(labels, Math.min(...rttsMs) / 1_000);
    });
  });
  addGauge(
    registry,
    `${prefix}_rate_bytes_per_second`,
    "What the widest path over the link was found to carry",
    LABELS,
    (gauge) => {
      forEachLink((labels, { paths }) => {
        const rates = paths.flatMap(({ spread }) => spread?.rateBitsPerSecond ?? []);
        if (rates.length > 0) gauge.set(labels, Math.max(...rates) / 8);
      });
    },
  );
}

function rttOf({ spread, rttMs }: LinkPath): number[] {
  const known = spread?.rttMs ?? rttMs;
  return known === null ? [] : [known];
}
