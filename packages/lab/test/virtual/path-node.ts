/**
 * A member of a virtual network as far as paths are concerned: one `PeerPaths` per peer on one host, calls through the
 * signalling server, candidates from its interfaces and from a STUN server, and packets that stand for data.
 */
import { type PathAddress, pathAddressEquals, type UdpAddress } from "@asterism/core/net";
import {
  CallBox,
  candidatePriority,
  checkIdOf,
  derivePairKeys,
  type LocalCandidate,
  offeredCandidates,
  PeerPaths,
  type PeerPathsEvent,
  TargetBudget,
  type TrafficMode,
  type UsablePath,
} from "@asterism/core/paths";
import {
  encodeStun,
  looksLikeStun,
  parseStun,
  readXorAddress,
  STUN_ATTRIBUTE,
  StunTransaction,
} from "@asterism/core/stun";
import { addMs, type Instant } from "@asterism/core/time";
import { SeededRandom } from "../../src/virtual-internet/seeded-random.ts";
import type { SignallingServer } from "../../src/virtual-internet/signalling-server.ts";
import type { VirtualHost, VirtualInterface, VirtualMachine } from "../../src/virtual-internet/virtual-host.ts";
import { testCrypto } from "./test-crypto.ts";

interface Uplink {
  readonly linkId: number;
  readonly interface: VirtualInterface;
  readonly port: number;
  readonly preference: number;
  reflexive: UdpAddress | undefined;
}

interface Peer {
  readonly name: string;
  readonly paths: PeerPaths;
  readonly calls: CallBox;
  readonly checkId: string;
  readonly events: PeerPathsEvent[];
  table: readonly UsablePath[];
  mode: TrafficMode;
  lastSentAt: Instant;
  lastReceivedAt: Instant;
  received: number;
}

export interface PathNodeOptions {
  readonly host: VirtualHost;
  readonly signalling: SignallingServer;
  readonly seed: number;
  readonly stunServer?: UdpAddress;
}

const GATHER_AGAIN_MS = 5_000;
/** WireGuard transport data, as far as the first four bytes go. */
const DATA_HEADER = [4, 0, 0, 0];

export class PathNode implements VirtualMachine {
  readonly host: VirtualHost;
  readonly #options: PathNodeOptions;
  readonly #random: SeededRandom;
  readonly #uplinks: Uplink[] = [];
  readonly #peers = new Map<string, Peer>();
  readonly #targets = new TargetBudget();
  readonly #gathering = new Map<number, StunTransaction>();
  readonly #outgoing: { to: PathAddress; bytes: Uint8Array }[] = [];
  #gatheredAt: Instant | undefined;
  #talk: { peer: string; everyMs: number; nextAt: Instant; untilAt: Instant } | undefined;

  constructor(options: PathNodeOptions) {
    this.host = options.host;
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    options.signalling.connect(this.host.name, (from, sealed) => {
      this.host.act((now, wallNow) => {
        const peer = this.#peers.get(from);
        const opened = peer?.calls.open(sealed, wallNow);
        if (peer !== undefined && opened?.ok === true) peer.paths.handleCall(opened.body, now);
      });
    });
    this.host.run(this);
  }

  /** Opens a link on an interface and offers its addresses. */
  addUplink(on: VirtualInterface, port = 41641, preference = 0): number {
    const linkId = this.host.openSocket(on, port);
    this.#uplinks.push({ linkId, interface: on, port, preference, reflexive: undefined });
    this.gather();
    return linkId;
  }

  removeUplink(linkId: number): void {
    this.#uplinks.splice(
      this.#uplinks.findIndex((uplink) => uplink.linkId === linkId),
      1,
    );
    this.gather();
  }

  get interfaces(): readonly VirtualInterface[] {
    return this.#uplinks.map((uplink) => uplink.interface);
  }

  /** Reads the interfaces anew and asks the STUN server again, as after a netlink event. */
  gather(): void {
    this.host.act((now) => {
      this.#gatheredAt = now;
      for (const uplink of this.#uplinks) {
        const { stunServer } = this.#options;
        if (stunServer === undefined || uplink.interface.ipv4 === undefined) continue;
        const transactionId = this.#random.bytes(12);
        const bytes = encodeStun({ class: "request", method: 1, transactionId, attributes: [] });
        const to = { linkId: uplink.linkId, remote: stunServer, channel: null };
        this.#gathering.set(uplink.linkId, new StunTransaction({ to, bytes, transactionId }, now));
      }
      this.#publishCandidates(now);
    });
  }

  meet(other: PathNode): void {
    const [own, theirs] = [keyOf(this.host.name), keyOf(other.host.name)];
    const sharedSecret = testCrypto.sha256(Uint8Array.from([...own, ...theirs].sort()));
    const keys = derivePairKeys({ sharedSecret, localPublicKey: own, remotePublicKey: theirs });
    if (keys === null) throw new Error("no keys");
    const random = (sizeBytes: number): Uint8Array => this.#random.bytes(sizeBytes);
    const paths = new PeerPaths({
      keys,
      random,
      targets: this.#targets,
      overlayMtuBytes: 1_408,
    });
    this.#peers.set(other.host.name, {
      name: other.host.name,
      paths,
      calls: new CallBox({ keys, crypto: testCrypto, random }),
      checkId: keys.receiveCheckId,
      events: [],
      table: [],
      mode: "best",
      lastSentAt: 0 as Instant,
      lastReceivedAt: 0 as Instant,
      received: 0,
    });
    this.host.act((now) => {
      this.#publishCandidates(now);
    });
  }

  peer(name: string): Peer {
    const peer = this.#peers.get(name);
    if (peer === undefined) throw new Error(`${this.host.name} does not know ${name}`);
    return peer;
  }

  /** Sends data to the peer from now on. */
  startTalking(peer: string, everyMs = 250, durationMs = Number.POSITIVE_INFINITY): void {
    this.host.act((now) => {
      this.#talk = { peer, everyMs, nextAt: now, untilAt: addMs(now, durationMs) };
      this.handleTimeout(now);
    });
  }

  stopTalking(): void {
    this.host.act(() => {
      this.#talk = undefined;
    });
  }

  /** Where data goes; undefined without a trusted path. */
  directTo(peer: string): UdpAddress | undefined {
    const [best] = this.peer(peer).table;
    return best?.kind === "direct" && best.trusted ? best.address.remote : undefined;
  }

  handleDatagram(bytes: Uint8Array, from: PathAddress, now: Instant): boolean {
    if (bytes[0] === DATA_HEADER[0]) this.#handleData(bytes, from, now);
    else if (looksLikeStun(bytes)) this.#handleStun(bytes, from, now);
    this.#settle();
    return true;
  }

  handleTimeout(now: Instant): void {
    for (const transaction of this.#gathering.values()) transaction.handleTimeout(now);
    for (const { paths } of this.#peers.values()) paths.handleTimeout(now);
    const talk = this.#talk;
    if (talk !== undefined && now >= talk.nextAt) {
      talk.nextAt = addMs(now, talk.everyMs);
      if (now >= talk.untilAt) this.#talk = undefined;
      else this.#sendData(this.peer(talk.peer), now);
    }
    this.#settle();
  }

  handleResume(now: Instant): void {
    for (const { paths } of this.#peers.values()) paths.handleResume(now);
    this.#settle();
  }

  pollTimeout(): { readonly at: Instant } | undefined {
    const deadlines = [
      ...[...this.#peers.values()].map(({ paths }) => paths.pollTimeout()?.at),
      ...[...this.#gathering.values()].map((transaction) => transaction.pollTimeout()?.at),
      this.#talk?.nextAt,
    ].filter((at) => at !== undefined);
    return deadlines.length === 0 ? undefined : { at: Math.min(...deadlines) as Instant };
  }

  pollTransmit(): { readonly to: PathAddress; readonly bytes: Uint8Array } | undefined {
    for (const transaction of this.#gathering.values()) {
      const sent = transaction.pollTransmit();
      if (sent !== undefined) return sent;
    }
    for (const { paths } of this.#peers.values()) {
      const sent = paths.pollTransmit();
      if (sent !== undefined) return sent;
    }
    this.#settle();
    return this.#outgoing.shift();
  }

  #handleStun(bytes: Uint8Array, from: PathAddress, now: Instant): void {
    const parsed = parseStun(bytes);
    if (!parsed.ok) return;
    const checkId = checkIdOf(parsed.message);
    const peer = [...this.#peers.values()].find((candidate) => candidate.checkId === checkId);
    if (peer !== undefined) {
      peer.paths.handleCheck(parsed.message, from, now);
      return;
    }
    const transaction = this.#gathering.get(from.linkId);
    if (transaction?.handleMessage(parsed.message, from, now) !== true) return;
    this.#gathering.delete(from.linkId);
    const uplink = this.#uplinks.find(({ linkId }) => linkId === from.linkId);
    if (uplink === undefined) return;
    uplink.reflexive = readXorAddress(parsed.message, STUN_ATTRIBUTE.xorMappedAddress);
    this.#publishCandidates(now);
  }

  #handleData(bytes: Uint8Array, from: PathAddress, now: Instant): void {
    const sender = new TextDecoder().decode(bytes.subarray(4));
    const peer = this.#peers.get(sender);
    if (peer === undefined) return;
    peer.received += 1;
    peer.lastReceivedAt = now;
    // The engine reports only packets from addresses that are not in its table.
    if (!peer.table.some(({ address }) => pathAddressEquals(address, from))) peer.paths.handleRoamed(from, now);
    peer.paths.handleTraffic(peer, now);
  }

  /** As the engine does: on the best path, or on two while it is in doubt; kept back if there is none. */
  #sendData(peer: Peer, now: Instant): void {
    const bytes = Uint8Array.from([...DATA_HEADER, ...new TextEncoder().encode(this.host.name)]);
    if (peer.table.length === 0) peer.paths.wantPath(now);
    for (const { address } of peer.table.slice(0, peer.mode === "best" ? 1 : 2)) {
      this.#outgoing.push({ to: address, bytes });
      peer.lastSentAt = now;
    }
    peer.paths.handleTraffic(peer, now);
  }

  #settle(): void {
    for (const peer of this.#peers.values()) {
      for (let event = peer.paths.pollEvent(); event !== undefined; event = peer.paths.pollEvent()) {
        peer.events.push(event);
        if (event.kind === "call") {
          // A NAT may have given us other ports meanwhile.
          const isOld = this.#gatheredAt !== undefined && this.host.now - this.#gatheredAt > GATHER_AGAIN_MS;
          if (isOld) this.gather();
          const sealed = peer.calls.seal(event.body, null, this.host.wallNow);
          this.#options.signalling.send(this.host.name, peer.name, sealed);
        } else if (event.kind === "paths") {
          peer.table = event.paths;
          peer.mode = event.mode;
        }
      }
    }
  }

  #publishCandidates(now: Instant): void {
    const gathered: LocalCandidate[] = [];
    for (const { linkId, interface: on, port, preference, reflexive } of this.#uplinks) {
      const hosts = [on.ipv4, on.ipv6].filter((address) => address !== undefined);
      for (const address of hosts) {
        gathered.push({
          kind: "host",
          address: { address, port },
          linkId,
          priority: candidatePriority("host", preference),
        });
      }
      if (reflexive !== undefined && !hosts.includes(reflexive.address)) {
        const priority = candidatePriority("server-reflexive", preference);
        gathered.push({ kind: "server-reflexive", address: reflexive, linkId, priority });
      }
    }
    const offered = offeredCandidates(gathered, []);
    for (const { paths } of this.#peers.values()) paths.handleLocalCandidates(offered, now);
  }
}

function keyOf(name: string): Uint8Array {
  return testCrypto.sha256(new TextEncoder().encode(name));
}
