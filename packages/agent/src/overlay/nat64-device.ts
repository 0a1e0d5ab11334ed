import type { PathAddress } from "@asterism/core/net";
import type { EngineDevice, EngineEvent, EnginePath, PathMode, PeerId } from "@asterism/engine";
import type { Nat64 } from "../platform/nat64.ts";

/** An engine device that reaches IPv4 addresses through the host's NAT64 where it has to, and names them as they are. */
export interface Nat64Device {
  readonly device: EngineDevice;
  /** What the engine tells, with the addresses that were meant. */
  readonly inward: (event: EngineEvent) => EngineEvent;
  /** The NAT64 has changed: addresses in the path tables lead elsewhere. */
  readonly handleChange: () => void;
}

export function throughNat64(device: EngineDevice, nat64: Nat64): Nat64Device {
  const tables = new Map<PeerId, { readonly paths: readonly EnginePath[]; readonly mode: PathMode }>(); // bounded: peers
  const outward = <T extends PathAddress>(path: T): T => ({ ...path, remote: nat64.outward(path.remote) });
  const inward = <T extends PathAddress>(path: T): T => ({ ...path, remote: nat64.inward(path.remote) });
  const setPaths: EngineDevice["setPaths"] = (peerId, paths, mode) => device.setPaths(peerId, paths.map(outward), mode);
  return {
    device: {
      interfaceName: device.interfaceName,
      interfaceIndex: device.interfaceIndex,
      offloads: device.offloads,
      openLink: (options) => device.openLink(options),
      openStreamLink: (relay) => device.openStreamLink(relay),
      receiveFrames: (id, bytes) => device.receiveFrames(id, bytes),
      closeLink: (id) => device.closeLink(id),
      addPeer: () => device.addPeer(),
      removePeer: (peerId) => {
        tables.delete(peerId);
        device.removePeer(peerId);
      },
      setAllowedIps: (peerId, prefixes) => device.setAllowedIps(peerId, prefixes),
      setPaths: (peerId, paths, mode) => {
        tables.set(peerId, { paths, mode });
        setPaths(peerId, paths, mode);
      },
      installSession: (peerId, session) => device.installSession(peerId, session),
      removeSession: (peerId, localIndex) => device.removeSession(peerId, localIndex),
      dropStaged: (peerId) => device.dropStaged(peerId),
      send: (to, bytes, dontFragment) => device.send(outward(to), bytes, dontFragment),
      sendKeepalive: (peerId) => device.sendKeepalive(peerId),
      sendInner: (peerId, packet) => device.sendInner(peerId, packet),
      readPeer: (peerId) => device.readPeer(peerId),
      readPaths: (peerId) => device.readPaths(peerId).map(inward),
      readDrops: () => device.readDrops(),
      close: () => device.close(),
    },
    inward: (event) => {
      if (event.kind === "path-mtu") return { ...event, to: inward(event.to) };
      return "from" in event ? { ...event, from: inward(event.from) } : event;
    },
    handleChange: () => {
      for (const [peerId, { paths, mode }] of tables) setPaths(peerId, paths, mode);
    },
  };
}
