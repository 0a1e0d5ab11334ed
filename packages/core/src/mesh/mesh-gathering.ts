import type { Gatherer, GatheringEvent } from "../gathering/index.ts";
import { type NatFacts, summariseNats } from "../nat/index.ts";
import { checkIdOf, type PeerPathsEvent } from "../paths/index.ts";
import { parseStun } from "../stun/index.ts";
import type { ClockReading, Instant } from "../time.ts";
import type { MeshEffect } from "./effects.ts";
import type { MeshPeer } from "./mesh-peer.ts";
import type { MeshPeers } from "./mesh-peers.ts";

export interface MeshGatheringOptions {
  readonly gatherer: Gatherer;
  readonly peers: MeshPeers;
  readonly emit: (effect: MeshEffect) => void;
  /** A peer's path machine has had an input: carry out what it wants. */
  readonly drainPeer: (peer: MeshPeer, time: ClockReading) => void;
  readonly countDrop: (reason: string) => void;
}

/** Stands between the path machines of the peers, which want candidates and channels, and the gatherer that has them. */
export class MeshGathering {
  readonly #options: MeshGatheringOptions;
  #isDraining = false;

  constructor(options: MeshGatheringOptions) {
    this.#options = options;
  }

  /** What calls tell of this host's NATs. */
  get nats(): NatFacts[] {
    return summariseNats(this.#options.gatherer.nats);
  }

  /** A new peer learns where this host is. */
  introduce({ paths }: MeshPeer, now: Instant): void {
    paths?.handleNats(this.nats, now);
    paths?.handleLocalCandidates(this.#options.gatherer.candidates, now);
  }

  forget({ peer }: MeshPeer, now: Instant): void {
    this.#options.gatherer.releaseAll(peer.nodeId, now);
  }

  handlePathEvent(
    { peer }: MeshPeer,
    event: Extract<PeerPathsEvent, { kind: "channel-wanted" | "channel-unwanted" | "seen-at" }>,
    now: Instant,
  ): void {
    if (event.kind === "seen-at") {
      this.#options.gatherer.handlePeersView(peer.nodeId, event.linkId, event.address, now);
      return;
    }
    const { linkId, relay, peer: address } = event;
    const place = { linkId, relay, peer: address };
    if (event.kind === "channel-wanted") this.#options.gatherer.wantChannel(peer.nodeId, place, now);
    else this.#options.gatherer.releaseChannel(peer.nodeId, place, now);
  }

  /** After every input of a peer's path machine. */
  handlePeer({ paths }: MeshPeer, now: Instant): void {
    const { gatherer } = this.#options;
    if (paths?.wantsRelay(now) === true) gatherer.handleNeed(now, paths.doubtedSince);
    if (paths?.wantsStream(now) === true) gatherer.handleLoss(now);
    if (paths?.wantsPorts(now) === true) gatherer.handlePortsNeed(now);
    const doubtful = paths?.doubtfulChannel(now);
    if (doubtful !== undefined) gatherer.handleRelayDoubt(doubtful.linkId, doubtful.remote, now);
  }

  /** Carries out what the gatherer wants. Peers that are drained on the way may bring it more to do. */
  drain(time: ClockReading): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    const { gatherer, emit } = this.#options;
    for (let event = gatherer.pollEvent(); event !== undefined; event = gatherer.pollEvent()) {
      this.#handleEvent(event, time);
    }
    for (let transmit = gatherer.pollTransmit(); transmit !== undefined; transmit = gatherer.pollTransmit()) {
      emit({ kind: "send-datagram", ...transmit });
    }
    this.#isDraining = false;
  }

  #handleEvent(event: GatheringEvent, time: ClockReading): void {
    const { peers, emit, drainPeer } = this.#options;
    switch (event.kind) {
      case "candidates":
        for (const peer of peers.all()) {
          peer.paths?.handleLocalCandidates(event.candidates, time.now);
          drainPeer(peer, time);
        }
        return;
      case "nats":
        for (const peer of peers.all()) {
          peer.paths?.handleNats(this.nats, time.now);
          drainPeer(peer, time);
        }
        return;
      case "channel-bound":
      case "channel-lost":
        this.#handleChannel(event, time);
        return;
      case "indirect":
        this.#handleIndirect(event, time);
        return;
      case "open-stream":
        emit(event);
        return;
      case "socket-wanted":
        emit({ kind: "open-socket", nodeId: null, like: event.like });
        return;
      case "socket-unwanted":
        emit({ kind: "close-socket", linkId: event.linkId });
        return;
      case "close-stream":
        if (event.linkId !== null) peers.forgetLink(event.linkId);
        emit({ kind: "close-stream", streamId: event.streamId });
        return;
      case "notice":
        emit({ kind: "notice", level: event.level, nodeId: null, text: event.text });
        return;
    }
  }

  #handleChannel(event: Extract<GatheringEvent, { kind: "channel-bound" | "channel-lost" }>, time: ClockReading): void {
    const owner = this.#options.peers.get(event.owner);
    if (owner === undefined) return;
    const { linkId, relay, peer } = event;
    const place = { linkId, relay, peer };
    if (event.kind === "channel-bound") owner.paths?.handleChannel(place, event.channel, time.now);
    else owner.paths?.handleChannelLost(place, time.now);
    this.#options.drainPeer(owner, time);
  }

  /** Only checks lead to a channel; other packets come again by the path that the checks find. */
  #handleIndirect(event: Extract<GatheringEvent, { kind: "indirect" }>, time: ClockReading): void {
    const { linkId, relay, peer: address } = event;
    const parsed = parseStun(event.bytes);
    const checkId = parsed.ok ? checkIdOf(parsed.message) : undefined;
    const peer = checkId === undefined ? undefined : this.#options.peers.getByCheckId(checkId);
    if (!parsed.ok || peer?.paths === undefined) {
      this.#options.countDrop("relayed-without-channel");
      return;
    }
    const dropped = peer.paths.handleIndirectCheck(parsed.message, { linkId, relay, peer: address }, time.now);
    if (dropped !== undefined) this.#options.countDrop(dropped);
    this.#options.drainPeer(peer, time);
  }
}
