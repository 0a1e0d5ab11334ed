import { setTimeout as delay } from "node:timers/promises";
import { AsterismError } from "@asterism/core/errors";
import { netcheckReport } from "@asterism/core/explain";
import type { NetcheckAnswer, NetworkCheck, ProxyCheck } from "@asterism/core/local-api";
import { monotonicNow, wallNow } from "../platform/clock.ts";
import type { MeshShell } from "./mesh-shell.ts";
import { serverStatus } from "./network-status.ts";
import type { OverlayNetwork } from "./overlay-network.ts";

/** A round in which every server is silent takes about 4 s. */
const ROUND_LIMIT_MS = 6_000;
const POLL_INTERVAL_MS = 25;

/** Examines the NATs anew, on the sockets of each network that is up. */
export async function netcheck(networks: readonly OverlayNetwork[], signal: AbortSignal): Promise<NetcheckAnswer> {
  const checks = networks.flatMap((network) =>
    network.shell === undefined ? [] : [checkNetwork(network, network.shell, signal)],
  );
  if (checks.length === 0) {
    const [down] = networks;
    throw new AsterismError(
      "network-unknown",
      down === undefined
        ? "this machine is in no network, so there is nobody to ask; join one with `asterism join KEY`"
        : (down.problem ?? "no network is up; bring one up with `asterism up`"),
    );
  }
  return { networks: await Promise.all(checks) };
}

async function checkNetwork(network: OverlayNetwork, shell: MeshShell, signal: AbortSignal): Promise<NetworkCheck> {
  shell.run((mesh, time) => mesh.handleNetcheck(time));
  await examined(shell, signal);
  const { url, connected } = serverStatus(network);
  return netcheckReport({
    network: network.membership.network.name,
    server: { url, connected },
    proxy: proxyCheck(network),
    lossyPeers: lossyPeers(shell),
    gathering: shell.mesh.gathering(),
    linkTo: network.linkNamer(),
    at: wallNow(),
    now: monotonicNow(),
  });
}

function lossyPeers(shell: MeshShell): string[] {
  return [...shell.mesh.peers.values()].flatMap(({ peer, paths }) =>
    paths?.isAvoidingLoss(monotonicNow()) === true ? [peer.name] : [],
  );
}

/** The proxy that was asked last; undefined if there is none. */
export function proxyCheck({ dialer: { lastUse } }: OverlayNetwork): ProxyCheck | undefined {
  return lastUse === null ? undefined : { url: lastUse.proxy, problem: lastUse.problem };
}

/** Resolves when the NATs have been examined, or when that takes too long. */
export async function examined(shell: MeshShell, signal: AbortSignal): Promise<void> {
  const deadline = monotonicNow() + ROUND_LIMIT_MS;
  while (shell.mesh.gathering().isExamining && monotonicNow() < deadline && !signal.aborted) {
    await delay(POLL_INTERVAL_MS);
  }
}
