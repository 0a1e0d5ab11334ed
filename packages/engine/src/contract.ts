/**
 * What TypeScript may ask of the packet engine, and what the engine tells it.
 *
 * The engine makes no decision that is not in its tables; TypeScript writes the tables. Commands are
 * synchronous, few and coarse. A command's effect is visible before any event that is delivered after
 * it. Events come in batches on the JavaScript thread. Data packets never become JavaScript objects.
 *
 * Misuse (unknown peer, closed device, wrong length) throws `EngineError`; it never crashes.
 */
import type { LinkId, PathAddress, UdpAddress } from "@asterism/core/net";
import type { Instant } from "@asterism/core/time";

/** Dense number the engine gives a peer; reused only after `removePeer`. */
export type PeerId = number;

export type Aead = "chacha20-poly1305" | "aes-256-gcm";

export interface DeviceOptions {
  /** `tap` is reserved for layer-2 networks. */
  readonly kind: "tun";
  /** Interface name, at most 15 bytes; a `%d` in it is filled in by the kernel. */
  readonly interfaceName: string;
  /** MTU of the overlay interface. */
  readonly mtuBytes: number;
  /** This device's WireGuard public key (32 bytes): the engine checks `mac1` of handshake messages with it. */
  readonly publicKey: Uint8Array;
  /** ICMP and ICMPv6 echo replies with this identifier from inside the tunnel go up as `inner`, not to the host. */
  readonly pingIdentifier: number;
  /** Threads: 2 is one per direction; `auto` chooses by the number of cores. */
  readonly threads?: "auto" | 1 | 2;
  /** Further threads that seal and open large packets; `auto` is none on two cores, up to 6 on more. */
  readonly workers?: "auto" | 0 | 1 | 2 | 3 | 4 | 5 | 6;
}

export interface LinkOptions {
  /** Port for both families; 0 lets the kernel choose. */
  readonly port: number;
  /** Local IPv4 address to bind, `0.0.0.0` for any, null for no IPv4 socket. */
  readonly ipv4: string | null;
  /** Local IPv6 address to bind, `::` for any, null for no IPv6 socket. */
  readonly ipv6: string | null;
  /** Bind to this network interface (SO_BINDTODEVICE). */
  readonly bindInterface?: string;
  /** Firewall mark of what the link sends (SO_MARK). */
  readonly mark?: number;
}

export interface LinkInfo {
  readonly id: LinkId;
  /** The port both sockets are bound to. */
  readonly port: number;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** One entry of a peer's path table. */
export interface EnginePath extends PathAddress {
  /** True if `channel` leads through a relay; counted apart. */
  readonly relayed: boolean;
  /** Share of the traffic relative to the peer's other paths; 0 is standby. */
  readonly weight: number;
  /**
   * Largest UDP payload that passes on this path in one piece, 0 if unknown. Inner packets that don't fit are reported to
   * their sender by ICMP or, where IP allows it, fragmented. While it is unknown, datagrams may be fragmented on the way.
   */
  readonly mtuBytes: number;
  /** At most so much goes this way when packets are spread over the paths (`aggregate`, `auto`). */
  readonly capBytesPerSecond?: number;
}

/**
 * `best`: data goes on the path of the highest weight (the first of equals).
 * `redundant`: each packet on the two of the highest weight.
 * `aggregate`: packets are spread over all paths but standby ones, each where it arrives first by what the peer's engine
 * reports; it puts them in order. The other weights don't matter. For peers whose engine understands it only: while no
 * reports come, it is as `best`.
 * `auto`: as `aggregate` for flows that move much; small ones, and what is urgent by its DSCP, take the fastest path
 * and overtake what waits.
 */
export type PathMode = "best" | "redundant" | "aggregate" | "auto";

export interface SessionOptions {
  /** Our receiver index, as in packets that come in. Unique on the device. */
  readonly localIndex: number;
  /** The peer's receiver index, as in packets that go out. */
  readonly remoteIndex: number;
  /** 32 bytes each; copied, the caller wipes its own. */
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  readonly aead: Aead;
  /**
   * The initiator may send at once: the session becomes `current`, the former one `previous`.
   * The responder's waits as `next` until a packet arrives in it (WireGuard paper §5.4.5 / §6.1).
   */
  readonly role: "initiator" | "responder";
  /** The engine refuses to send or receive in the session after this (REJECT_AFTER_TIME). */
  readonly expiresAt: Instant;
}

export type EngineEvent =
  /** A datagram that is not transport data. WireGuard handshake messages have passed the mac1 check. */
  | {
      readonly kind: "datagram";
      readonly protocol: "wireguard" | "stun";
      readonly from: PathAddress;
      readonly bytes: Uint8Array;
    }
  /** A packet waits for the peer and no session can carry it. Repeated at most once a second while packets come. */
  | { readonly kind: "session-needed"; readonly peerId: PeerId }
  /** A packet arrived in the `next` session; it is `current` now. */
  | { readonly kind: "session-confirmed"; readonly peerId: PeerId; readonly localIndex: number }
  /** An authenticated packet came from an address that is not in the peer's path table. Once per new address. */
  | { readonly kind: "roamed"; readonly peerId: PeerId; readonly from: PathAddress }
  /** An inner packet for the agent itself: an echo reply to `pingIdentifier`, or one whose first nibble is 0 (agent to agent). */
  | {
      readonly kind: "inner";
      readonly peerId: PeerId;
      readonly from: PathAddress;
      readonly bytes: Uint8Array;
      readonly receivedAt: Instant;
    }
  /** To be written to the stream of a stream link, as it is. */
  | { readonly kind: "frames"; readonly linkId: LinkId; readonly bytes: Uint8Array }
  /** The kernel refused a datagram as too large for the way to `to`. */
  | { readonly kind: "path-mtu"; readonly to: PathAddress; readonly mtuBytes: number }
  /** The device can't go on (interface deleted, …). It forwards nothing any more; close it. */
  | { readonly kind: "failed"; readonly message: string };

/** Counters of one peer since it was added. Times are 0 if it never happened. */
export interface PeerCounters {
  readonly txPackets: number;
  readonly txBytes: number;
  readonly rxPackets: number;
  readonly rxBytes: number;
  readonly txRelayedPackets: number;
  readonly rxRelayedPackets: number;
  /** Data is what hosts send each other: neither keepalives nor messages between agents or engines. */
  readonly lastDataSentAt: Instant;
  readonly lastDataReceivedAt: Instant;
  /** Any authenticated packet. */
  readonly lastSentAt: Instant;
  readonly lastReceivedAt: Instant;
  /** First data packet sent since anything authenticated was last received; 0 if none (WireGuard paper §6.5). */
  readonly firstUnansweredSentAt: Instant;
  /** First data packet received since anything was last sent; 0 if none (passive keepalive, §6.5). */
  readonly firstUnacknowledgedReceivedAt: Instant;
  /** Last packet that found no session and was staged or dropped. */
  readonly lastStagedAt: Instant;
}

/** Counters of one path, in the order of the last `setPaths`; they go on where an equal path was in the table before. */
export interface PathCounters extends PathAddress {
  readonly txPackets: number;
  readonly txBytes: number;
  readonly rxPackets: number;
  readonly rxBytes: number;
  readonly lastReceivedAt: Instant;
  /** What the engine has learnt of the path while it spreads packets; undefined before. */
  readonly spread?: PathEstimate;
}

/** What a path was found to do, by the peer's reports. */
export interface PathEstimate {
  /** What it carries at most; null while too little was sent to tell. Of a path with a limit the limit until less is found. */
  readonly rateBytesPerSecond: number | null;
  readonly rttMs: number;
  /** Wait in the path's bottleneck, of the last packet reported. */
  readonly queueingMs: number;
  readonly lostPackets: number;
  readonly resentPackets: number;
  /** Nothing arrives by it just now. */
  readonly dead: boolean;
}

export interface EngineDevice {
  readonly interfaceName: string;
  readonly interfaceIndex: number;
  /** What the kernel granted: e.g. `{ tso: true, uso: false, udpGso: true, udpGro: true }`. */
  readonly offloads: Readonly<Record<"tso" | "uso" | "udpGso" | "udpGro", boolean>>;

  openLink(options: LinkOptions): LinkInfo;
  /**
   * A link that is no UDP socket but a stream (TCP, TLS) to the TURN server at `relay`, which the caller carries: what
   * leaves by it, in channels or as STUN messages, comes up framed in `frames` events (RFC 8656 §12.5), and what the
   * stream brings goes in by `receiveFrames`. Its path addresses have `relay` as their remote.
   */
  openStreamLink(relay: UdpAddress): LinkId;
  /**
   * Bytes of the stream, in order, cut anywhere. False if no frame can begin there: the stream is of no use any more.
   * Frames that the engine has no room for are dropped and counted, as datagrams would be.
   */
  receiveFrames(id: LinkId, bytes: Uint8Array): boolean;
  closeLink(id: LinkId): void;

  addPeer(): PeerId;
  /** Forgets the peer, its sessions (keys wiped), allowed IPs, paths and staged packets. */
  removePeer(peerId: PeerId): void;
  /** Replaces the peer's prefixes (`100.64.0.7/32`, `fd00::7/128`). A prefix of another peer moves over. */
  setAllowedIps(peerId: PeerId, prefixes: readonly string[]): void;
  setPaths(peerId: PeerId, paths: readonly EnginePath[], mode: PathMode): void;
  /** Installs a session and sends what was staged, if the session may send. */
  installSession(peerId: PeerId, session: SessionOptions): void;
  /** No error if the session is gone: the engine drops the oldest by itself when a newer one is confirmed. */
  removeSession(peerId: PeerId, localIndex: number): void;
  /** Drops all packets that wait for the peer to have a session, or for room on its paths. */
  dropStaged(peerId: PeerId): void;

  /**
   * Sends `bytes` as they are (inside ChannelData if `to.channel` is set). With `dontFragment` they pass in one piece or
   * not at all, whatever the kernel believes of the way; it says nothing if they are too large for the interface.
   */
  send(to: PathAddress, bytes: Uint8Array, dontFragment?: boolean): void;
  /** Sends an empty packet in the peer's current session, if there is one. */
  sendKeepalive(peerId: PeerId): void;
  /** Seals `packet` to the peer as if the host had sent it; staged if there is no session. */
  sendInner(peerId: PeerId, packet: Uint8Array): void;

  readPeer(peerId: PeerId): PeerCounters;
  readPaths(peerId: PeerId): PathCounters[];
  /** Packets dropped since the device was opened, by reason. */
  readDrops(): Readonly<Record<string, number>>;

  close(): void;
}

export type OnEvents = (events: readonly EngineEvent[]) => void;
