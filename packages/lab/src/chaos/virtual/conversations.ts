/** Traffic of the run: pairs that ping each other for a while. */
import type { SeededRandom } from "../../virtual-internet/seeded-random.ts";
import type { ChaosMember } from "./chaos-member.ts";
import type { Stage } from "./stage.ts";

const PING_GAP_MS = 500;
/** A ping without an answer is given up after this. */
const ANSWER_LIMIT_MS = 15_000;

export class Conversation {
  readonly id: number;
  readonly from: ChaosMember;
  readonly to: ChaosMember;
  readonly startedAtMs: number;
  readonly endsAtMs: number;
  /** When an answer came last. */
  answeredAtMs = Number.NEGATIVE_INFINITY;
  /** Pings on their way: number and when they left. */
  readonly pending = new Map<number, number>(); // bounded: ANSWER_LIMIT_MS
  /** When the first answer came since this was last cleared. */
  firstAnswerMs: number | undefined;
  nextPing = 1;

  constructor(id: number, from: ChaosMember, to: ChaosMember, startedAtMs: number, endsAtMs: number) {
    this.id = id;
    this.from = from;
    this.to = to;
    this.startedAtMs = startedAtMs;
    this.endsAtMs = endsAtMs;
  }

  get name(): string {
    return `${this.from.name} → ${this.to.name}`;
  }
}

export class Conversations {
  readonly #stage: () => Stage;
  readonly #random: SeededRandom;
  readonly #current = new Map<number, Conversation>(); // bounded: by who starts them
  #nextId = 1;
  pings = 0;
  answers = 0;

  constructor(stage: () => Stage, random: SeededRandom) {
    this.#stage = stage;
    this.#random = random;
  }

  all(): IterableIterator<Conversation> {
    return this.#current.values();
  }

  get size(): number {
    return this.#current.size;
  }

  /** Two members at random begin to talk. */
  startAny(durationMs: number): Conversation {
    const { members, world } = this.#stage();
    const from = members[this.#random.between(0, members.length - 1)];
    const rest = members.filter((member) => member !== from);
    const to = rest[this.#random.between(0, rest.length - 1)];
    if (from === undefined || to === undefined) throw new RangeError("a conversation takes two members");
    const { nowMs } = world;
    const conversation = new Conversation(this.#nextId++, from, to, nowMs, nowMs + durationMs);
    this.#current.set(conversation.id, conversation);
    this.#ping(conversation);
    return conversation;
  }

  /** Answers a ping, or notes an answer. */
  handleDelivered(at: ChaosMember, from: string, payload: string): void {
    const [kind, id = "", number = ""] = payload.split(" ");
    const conversation = this.#current.get(Number(id));
    if (conversation === undefined) return;
    const { world } = this.#stage();
    if (kind === "ping") {
      world.after(0, () => at.node?.sendData(from, `pong ${id} ${number}`));
      return;
    }
    if (!conversation.pending.delete(Number(number))) return;
    this.answers += 1;
    conversation.answeredAtMs = world.nowMs;
    conversation.firstAnswerMs ??= world.nowMs;
  }

  #ping(conversation: Conversation): void {
    const { world } = this.#stage();
    if (world.nowMs >= conversation.endsAtMs) {
      this.#current.delete(conversation.id);
      return;
    }
    const { from, to, pending } = conversation;
    for (const [number, sentAtMs] of pending) if (world.nowMs - sentAtMs > ANSWER_LIMIT_MS) pending.delete(number);
    if (from.node !== undefined && from.isAwake) {
      const number = conversation.nextPing++;
      pending.set(number, world.nowMs);
      this.pings += 1;
      from.node.sendData(to.name, `ping ${conversation.id} ${number}`);
    }
    world.after(PING_GAP_MS, () => this.#ping(conversation));
  }
}
