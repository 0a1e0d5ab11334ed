import type { LabProcess } from "../../src/index.ts";
import type { Host } from "../../src/net/host.ts";

const INTERVAL_MS = 50;

/** A ping through the tunnel that never ends, and what its answers tell of an outage. */
export class Pulse {
  readonly #ping: LabProcess;

  private constructor(ping: LabProcess) {
    this.#ping = ping;
  }

  /** Waits for the first answer. */
  static async start(from: Host, address: string): Promise<Pulse> {
    const ping = from.spawn(["ping", "-n", "-D", "-i", String(INTERVAL_MS / 1_000), address]);
    await ping.waitForOutput(/bytes from/, { timeoutMs: 30_000 });
    return new Pulse(ping);
  }

  /** Milliseconds since 1970 of each answer. */
  #answers(): number[] {
    return [...this.#ping.stdout.matchAll(/^\[(\d+\.\d+)\] \d+ bytes from/gm)].map(([, at]) => Number(at) * 1_000);
  }

  /**
   * Milliseconds from the event (as `Date.now()` has it) until answers have come for `steadyMs` without a pause; 0 if
   * there was no outage. Throws if that does not happen within the limit.
   */
  async recovery(eventAt: number, limitMs = 60_000, steadyMs = 1_500): Promise<number> {
    const deadline = Date.now() + limitMs;
    for (;;) {
      const last = this.#lastBeginning(eventAt);
      if (last !== undefined && Date.now() - last >= steadyMs) return Math.max(0, last - eventAt);
      if (Date.now() > deadline) throw new Error(`no answers again in ${limitMs} ms\n${this.#ping.describe()}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** When the present unbroken run of answers began; undefined while there is none. */
  #lastBeginning(eventAt: number): number | undefined {
    const answers = [...this.#answers()];
    const latest = answers.at(-1);
    if (latest === undefined || latest < eventAt || Date.now() - latest > 10 * INTERVAL_MS) return undefined;
    let begin = latest;
    for (const at of answers.reverse()) {
      if (begin - at > 6 * INTERVAL_MS) return begin;
      begin = at;
      if (at < eventAt) return eventAt;
    }
    return begin;
  }

  stop(): void {
    this.#ping.kill("SIGKILL");
  }
}
