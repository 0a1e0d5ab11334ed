/** Pairs that ping each other all the time through the tunnel, with the kernel's own `ping`. */
import type { LabProcess } from "../../net/lab-process.ts";
import type { RealMember } from "./real-stage.ts";

const INTERVAL_SECONDS = 0.5;
const RESTART_MS = 500;

/** One side pings, the other answers. The program is started again where it ends, as while there is no tunnel. */
export class Pulse {
  readonly from: RealMember;
  readonly to: RealMember;
  answers = 0;
  /** As far as answers tell: those at the end that nothing came back of are not in it. */
  pings = 0;
  /** On the clock of this process. */
  lastAnswerAt = Number.NEGATIVE_INFINITY;
  firstAnswerSince: number | undefined;
  #since = 0;
  #ping: LabProcess | undefined;
  #isStopped = false;

  constructor(from: RealMember, to: RealMember) {
    this.from = from;
    this.to = to;
    this.#start();
  }

  get name(): string {
    return `${this.from.name} → ${this.to.name}`;
  }

  /** From here on the first answer is noted. */
  mark(at: number): void {
    this.#since = at;
    this.firstAnswerSince = undefined;
  }

  stop(): void {
    this.#isStopped = true;
    this.#ping?.kill("SIGKILL");
  }

  #start(): void {
    if (this.#isStopped) return;
    const argv = ["ping", "-n", "-i", String(INTERVAL_SECONDS), this.to.overlayIpv4];
    const before = this.pings;
    const ping = this.from.agent.host.spawn(argv);
    this.#ping = ping;
    ping.stdoutStream.on("data", (text: string) => {
      for (const [, sequence] of text.matchAll(/icmp_seq=(\d+) .*time=/g)) {
        this.pings = before + Number(sequence);
        this.#handleAnswer();
      }
    });
    void ping.exited.then(() => setTimeout(() => this.#start(), RESTART_MS));
  }

  #handleAnswer(): void {
    const now = performance.now();
    this.answers += 1;
    this.lastAnswerAt = now;
    if (now >= this.#since) this.firstAnswerSince ??= now;
  }
}
