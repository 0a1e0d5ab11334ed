import type { DeltaMessage, MapMessage, NetworkInfo, PeerInfo, SelfInfo } from "@asterism/core/control";
import type { Machine, TestServer } from "./test-server.ts";
import { TestStream } from "./test-stream.ts";

/** What an agent knows, kept up as the protocol says: a map replaces, a delta fits on exactly one version. */
export class AgentView {
  epoch = "";
  version = -1;
  #self: SelfInfo | undefined;
  #network: NetworkInfo | undefined;
  readonly #peers = new Map<string, PeerInfo>();

  apply(message: MapMessage | DeltaMessage): void {
    if (message.type === "map") {
      this.#peers.clear();
      for (const peer of message.peers) this.#peers.set(peer.nodeId, peer);
    } else {
      if (message.epoch !== this.epoch || message.fromVersion !== this.version)
        throw new Error("the delta does not fit");
      for (const peer of message.upserts) this.#peers.set(peer.nodeId, peer);
      for (const nodeId of message.removals) this.#peers.delete(nodeId);
    }
    this.#self = message.self ?? this.#self;
    this.#network = message.network ?? this.#network;
    this.epoch = message.epoch;
    this.version = message.version;
  }

  content() {
    const peers = [...this.#peers.values()].toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
    return { network: this.#network, self: this.#self, peers };
  }
}

/** An agent that follows its network's map over many streams. */
export class Follower {
  readonly view = new AgentView();
  readonly #test: TestServer;
  readonly #machine: Machine;
  readonly #nodeId: string;
  #stream: TestStream | undefined;
  #applied = 0;

  constructor(test: TestServer, machine: Machine, nodeId: string) {
    this.#test = test;
    this.#machine = machine;
    this.#nodeId = nodeId;
  }

  /** Ends the stream there is, and begins one that goes on from what is known. */
  async reconnect(): Promise<void> {
    this.catchUp();
    this.#stream?.socket.terminate();
    const { epoch, version } = this.view;
    const resume = version < 0 ? null : { epoch, version };
    this.#stream = await TestStream.connect(this.#test.server, this.#machine, this.#nodeId, resume);
    this.#applied = 0;
  }

  /** Takes in what has come so far. */
  catchUp(): void {
    const messages = this.#stream?.messages ?? [];
    for (const message of messages.slice(this.#applied)) {
      if (message.type === "map" || message.type === "delta") this.view.apply(message);
    }
    this.#applied = messages.length;
  }

  /** Goes on from what is known until the server says that this is all. */
  async finish(): Promise<void> {
    await this.reconnect();
    const first = await this.#stream?.next("presence");
    if (first?.full !== true) throw new Error("the first presence is not full");
    this.catchUp();
  }
}
