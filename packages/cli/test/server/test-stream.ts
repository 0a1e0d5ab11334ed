import { type ControlSocket, openControlSocket, type PinnedServer } from "@asterism/client";
import { encodeBase64 } from "@asterism/core/bytes";
import { controlProofBytes, formatFingerprint, PROTOCOL_VERSION, type ServerMessage } from "@asterism/core/control";
import type { Machine } from "./test-server.ts";

type MessageOf<T extends ServerMessage["type"]> = Extract<ServerMessage, { type: T }>;

const PATIENCE_MS = 5000;

/** The agent's end of a control stream, which remembers what came and lets a test wait for what is to come. */
export class TestStream {
  readonly messages: ServerMessage[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  #taken = 0;
  #wake = Promise.withResolvers<void>();
  #socket: ControlSocket | undefined;

  private constructor(closed: Promise<{ code: number; reason: string }>) {
    this.closed = closed;
  }

  static async open(server: PinnedServer): Promise<TestStream> {
    const closing = Promise.withResolvers<{ code: number; reason: string }>();
    const stream = new TestStream(closing.promise);
    stream.#socket = await openControlSocket(server, {
      onMessage: (message) => stream.#take(message),
      onClose: (code, reason) => closing.resolve({ code, reason }),
    });
    return stream;
  }

  /** Opens a stream and authenticates; the map or delta and the presence are left for the test to take. */
  static async connect(
    server: PinnedServer,
    machine: Machine,
    nodeId: string,
    resume: { epoch: string; version: number } | null = null,
  ): Promise<TestStream> {
    const stream = await TestStream.open(server);
    const { nonce } = await stream.next("hello");
    const signature = encodeBase64(
      machine.sign(controlProofBytes(formatFingerprint(server.fingerprint), nonce, nodeId)),
    );
    stream.socket.send({ type: "authenticate", protocol: PROTOCOL_VERSION, nodeId, signature, resume });
    await stream.next("authenticated");
    return stream;
  }

  get socket(): ControlSocket {
    if (this.#socket === undefined) throw new Error("not open yet");
    return this.#socket;
  }

  /** The next message of a type that fits, in order; those before it are passed over. */
  async next<T extends ServerMessage["type"]>(
    type: T,
    fits: (message: MessageOf<T>) => boolean = () => true,
  ): Promise<MessageOf<T>> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      while (this.#taken < this.messages.length) {
        const message = this.messages[this.#taken++];
        if (message?.type === type && fits(message as MessageOf<T>)) return message as MessageOf<T>;
      }
      const seen = this.messages.map((message) => message.type).join(", ");
      await Promise.race([this.#wake.promise, aborted(deadline, `no "${type}" came, only: ${seen}`)]);
    }
  }

  #take(message: ServerMessage): void {
    this.messages.push(message);
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

function aborted(signal: AbortSignal, message: string): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(new Error(message)), { once: true });
  });
}
