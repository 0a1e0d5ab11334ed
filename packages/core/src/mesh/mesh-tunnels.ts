import type { PathAddress } from "../net/index.ts";
import type { ClockReading, Instant } from "../time.ts";
import type { HandshakeFailure, WireGuard, WireGuardEvent } from "../wireguard/index.ts";
import type { MeshEffect } from "./effects.ts";
import type { MeshPeer, PeerProblem } from "./mesh-peer.ts";
import type { MeshPeers } from "./mesh-peers.ts";

export interface MeshTunnelsOptions {
  readonly wireguard: WireGuard;
  readonly peers: MeshPeers;
  readonly emit: (effect: MeshEffect) => void;
  /** A peer's path machine has had an input: carry out what it wants. */
  readonly drainPeer: (peer: MeshPeer, time: ClockReading) => void;
  /** There is a session with the peer. */
  readonly onSession: (nodeId: string, time: ClockReading) => void;
}

const PASSPHRASE_PROBLEM: PeerProblem = {
  code: "passphrase-differs",
  text: "this device and that one were given different passphrases: join again with the right --secret on the one that is wrong",
};
const NODE_KEY_PROBLEM: PeerProblem = { code: "node-key-unusable", text: "its node key can't be used for a tunnel" };

/** Carries out what WireGuard wants: sessions into the engine, handshakes onto the paths of their peers. */
export class MeshTunnels {
  readonly #options: MeshTunnelsOptions;

  constructor(options: MeshTunnelsOptions) {
    this.#options = options;
  }

  drain(time: ClockReading): void {
    const { wireguard, peers, emit, drainPeer } = this.#options;
    for (let event = wireguard.pollEvent(); event !== undefined; event = wireguard.pollEvent()) {
      const peer = peers.getByHandle(event.peer);
      if (peer !== undefined) this.#handleEvent(peer, event, time);
    }
    for (let transmit = wireguard.pollTransmit(); transmit !== undefined; transmit = wireguard.pollTransmit()) {
      const { to, bytes } = transmit;
      if (to !== "paths") {
        emit({ kind: "send-datagram", to, bytes });
        continue;
      }
      const peer = peers.getByHandle(transmit.peer);
      if (peer === undefined) continue;
      peer.paths?.wantPath(time.now);
      this.#sendHandshake(peer, bytes, time.now);
      drainPeer(peer, time);
    }
  }

  /** An authenticated packet of the peer came from here. */
  learnAddress(peer: MeshPeer, from: PathAddress, time: ClockReading): void {
    if (peer.handleAuthenticated(from, time.now)) this.#options.emit(peer.tableEffect());
    this.#options.drainPeer(peer, time);
    this.sendHeld(peer, time.now);
  }

  /** The handshake message that waited for a path, if there is one by now. */
  sendHeld(peer: MeshPeer, now: Instant): void {
    const bytes = peer.takeHeld(now);
    if (bytes !== undefined) this.#sendHandshake(peer, bytes, now);
  }

  /** An authentic check of the peer came from here. */
  handleCheckFrom(peer: MeshPeer, from: PathAddress, now: Instant): void {
    const bytes = peer.peekHeld(now);
    if (bytes !== undefined) this.#options.emit({ kind: "send-datagram", to: from, bytes });
  }

  reportPassphrase(peer: MeshPeer): void {
    this.#report(peer, PASSPHRASE_PROBLEM);
  }

  #sendHandshake(peer: MeshPeer, bytes: Uint8Array, now: Instant): void {
    for (const to of peer.routeHandshake(bytes, now)) this.#options.emit({ kind: "send-datagram", to, bytes });
  }

  #handleEvent(peer: MeshPeer, event: WireGuardEvent, time: ClockReading): void {
    const { nodeId } = peer.peer;
    switch (event.kind) {
      case "authenticated":
        this.learnAddress(peer, event.from, time);
        return;
      case "session": {
        const { localIndex, remoteIndex, sendKey, receiveKey, role, expiresAt } = event;
        const session = { localIndex, remoteIndex, sendKey, receiveKey, role, expiresAt, aead: peer.aead };
        peer.problem = null;
        peer.dropHeld();
        this.#options.emit({ kind: "install-session", nodeId, session });
        this.#options.onSession(nodeId, time);
        return;
      }
      case "session-ended":
        this.#options.emit({ kind: "remove-session", nodeId, localIndex: event.localIndex });
        return;
      case "keepalive":
        this.#options.emit({ kind: "send-keepalive", nodeId });
        return;
      case "handshake-failed":
        this.#handleHandshakeFailed(peer, event.reason);
        return;
    }
  }

  #handleHandshakeFailed(peer: MeshPeer, reason: HandshakeFailure): void {
    const { nodeId } = peer.peer;
    if (reason === "wrong-preshared-key") {
      this.#report(peer, PASSPHRASE_PROBLEM);
      return;
    }
    if (reason === "invalid-public-key") this.#report(peer, NODE_KEY_PROBLEM);
    this.#options.emit({ kind: "drop-staged", nodeId });
    this.#options.emit({ kind: "notice", level: "debug", nodeId, text: "the peer does not answer handshakes" });
  }

  #report(peer: MeshPeer, problem: PeerProblem): void {
    if (peer.problem === problem) return;
    peer.problem = problem;
    this.#options.emit({ kind: "notice", level: "warn", nodeId: peer.peer.nodeId, text: problem.text });
  }
}
