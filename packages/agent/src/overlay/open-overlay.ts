import type { Dialer } from "@asterism/client";
import { encodeBase64, parseBase64 } from "@asterism/core/bytes";
import type { PairReport } from "@asterism/core/control";
import { AsterismError } from "@asterism/core/errors";
import type { Crypto } from "@asterism/core/identity";
import { type Aead, Mesh } from "@asterism/core/mesh";
import type { PunchTurn } from "@asterism/core/paths";
import { type EngineDevice, openDevice } from "@asterism/engine";
import type { Logger } from "pino";
import { NetworkLinks, type NetworkLinksOptions } from "../links/network-links.ts";
import type { Nat64 } from "../platform/nat64.ts";
import { systemRandom } from "../platform/random.ts";
import {
  applyOverlayRoutes,
  checkRangeConflict,
  type OverlayRoutes,
  removeOverlayRules,
} from "../platform/routes.linux.ts";
import type { Membership } from "../state/membership.ts";
import { MeshShell, randomEchoIdentifier } from "./mesh-shell.ts";
import { throughNat64 } from "./nat64-device.ts";
import { PairWatch } from "./pair-watch.ts";
import { Pinger } from "./pinger.ts";

const INTERFACE_NAME = "ast%d";

/** What exists only while a network is up. */
export interface RunningOverlay {
  readonly device: EngineDevice;
  readonly links: NetworkLinks;
  readonly shell: MeshShell;
  readonly pinger: Pinger;
  readonly pairs: PairWatch;
  /** IPv4 addresses are reached by another way. */
  handleNat64Change(): void;
  /** Ends tunnels and takes interface, routes and rules away. */
  close(): Promise<void>;
}

export interface OpenOverlayOptions {
  readonly membership: Membership;
  readonly crypto: Crypto;
  readonly logger: Logger;
  readonly dialer: Dialer;
  readonly aeads: readonly Aead[];
  readonly links: Omit<NetworkLinksOptions, "device" | "logger">;
  /** Interfaces of all this agent's networks. */
  readonly ownInterfaces: Set<string>;
  /** Ranges of all networks this agent is in. */
  readonly overlayRanges: string[];
  readonly nat64: Nat64;
  readonly punchTurn: PunchTurn;
  /** Whether the network lets holes be punched through hard NATs. */
  readonly mayPunch: () => boolean;
  readonly sendCall: (nodeId: string, sealed: string) => void;
  readonly onDeviceFailed: (message: string) => void;
  readonly onPathsChanged: () => void;
  /** A pair that this node opened has come together. */
  readonly onPair: (pair: PairReport) => void;
  /** Tells the server of such pairs; false if it can't be told now. */
  readonly sendReport: (pairs: PairReport[]) => boolean;
  /** A peer without a session has one now; all that have are listed. */
  readonly onConnected: (nodeIds: string[]) => void;
  /** The host slept, or this process was stopped, for so long. */
  readonly onSlept: (sleptMs: number) => void;
}

/**
 * Makes the interface with its links, addresses, routes and mesh. Leaves nothing behind if it fails.
 * @throws AsterismError `range-conflict`, `not-root`, `no-tun`, `interface-failed`
 */
export async function openOverlay(options: OpenOverlayOptions): Promise<RunningOverlay> {
  const { membership, crypto } = options;
  const { network } = membership;
  await checkRangeConflict(network.name, [network.ipv4Range, network.ipv6Range], options.ownInterfaces);
  const nodePrivateKey = requireKey(membership);
  const pingIdentifier = randomEchoIdentifier();
  let shell: MeshShell | undefined;
  const opened = openDevice(
    {
      kind: "tun",
      interfaceName: INTERFACE_NAME,
      mtuBytes: network.mtuBytes,
      publicKey: crypto.x25519PublicKey(nodePrivateKey),
      pingIdentifier,
    },
    (events) => shell?.handleEvents(events.map(translated.inward)),
  );
  const translated = throughNat64(opened, options.nat64);
  const { device } = translated;
  const routes = overlayRoutes(membership, device);
  try {
    const links = new NetworkLinks({ ...options.links, device, logger: options.logger });
    await applyOverlayRoutes(routes);
    const pinger = new Pinger(pingIdentifier, (nodeId, packet) => shell?.sendInner(nodeId, packet) ?? false);
    const pairs = new PairWatch({ shell: () => shell, onPair: options.onPair, send: options.sendReport });
    const running = new MeshShell({
      mesh: createMesh(nodePrivateKey, options),
      device,
      logger: options.logger,
      dialer: options.dialer,
      openSocketLike: (linkId) => links.set.openAlike(linkId),
      closeSocket: (linkId) => links.set.closeAlike(linkId),
      linkName: (linkId) => links.set.find(linkId)?.name,
      sendCall: options.sendCall,
      onEchoReply: (nodeId, event) => pinger.handleInner(nodeId, event),
      onDeviceFailed: options.onDeviceFailed,
      onPathsChanged: () => {
        pairs.observe();
        options.onPathsChanged();
      },
      onSessionNeeded: (nodeId) => pairs.handleSessionNeeded(nodeId),
      onConnected: () => options.onConnected(running.connectedPeers()),
      onSlept: options.onSlept,
    });
    shell = running;
    const stop = async (): Promise<void> => {
      pairs.stop();
      const unmapped = links.close();
      await close(device, running, routes);
      await unmapped;
    };
    const handleNat64Change = (): void => {
      translated.handleChange();
      links.handleNat64Change();
    };
    return { device, links, shell: running, pinger, pairs, handleNat64Change, close: stop };
  } catch (error) {
    device.close();
    await removeOverlayRules(routes);
    throw error;
  }
}

/** The WireGuard public key of a membership, base64. */
export function nodePublicKey(membership: Membership, crypto: Crypto): string {
  return encodeBase64(crypto.x25519PublicKey(requireKey(membership)));
}

async function close(device: EngineDevice, shell: MeshShell, routes: OverlayRoutes): Promise<void> {
  shell.stop();
  device.close();
  await removeOverlayRules(routes);
}

function createMesh(nodePrivateKey: Uint8Array, options: OpenOverlayOptions): Mesh {
  const { network, stretchedSecret, pins } = options.membership;
  return new Mesh({
    networkId: network.id,
    crypto: options.crypto,
    random: systemRandom,
    nodePrivateKey,
    stretchedSecret: stretchedSecret === null ? null : requireBytes(stretchedSecret),
    pins: new Map(Object.entries(pins)),
    overlayRanges: options.overlayRanges,
    overlayMtuBytes: network.mtuBytes,
    aeads: options.aeads,
    punchTurn: options.punchTurn,
    mayPunch: options.mayPunch,
  });
}

function overlayRoutes({ network, self }: Membership, device: EngineDevice): OverlayRoutes {
  return {
    interfaceName: device.interfaceName,
    interfaceIndex: device.interfaceIndex,
    mtuBytes: network.mtuBytes,
    ipv4: self.ipv4,
    ipv6: self.ipv6,
    ipv4Range: network.ipv4Range,
    ipv6Range: network.ipv6Range,
  };
}

function requireKey({ nodePrivateKey }: Membership): Uint8Array {
  return requireBytes(nodePrivateKey);
}

function requireBytes(base64: string): Uint8Array {
  const bytes = parseBase64(base64);
  if (bytes === undefined) throw new AsterismError("state-damaged", "a key in the membership file is malformed");
  return bytes;
}
