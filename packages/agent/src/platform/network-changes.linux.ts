import { type ChildProcess, spawn } from "node:child_process";

const SETTLE_MS = 250;
const RESTART_MS = 5_000;

/**
 * Tells when addresses, links or routes of the host have changed, once for a burst of changes: what `ip monitor` hears
 * on netlink.
 */
export class NetworkChanges {
  readonly #onChange: () => void;
  #child: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
    this.#start();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#child?.kill();
  }

  #start(): void {
    const child = spawn("ip", ["-oneline", "monitor", "address", "link", "route"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.#child = child;
    child.stdout.on("data", () => this.#settle());
    child.once("error", () => undefined); // reported by "close", which follows
    child.once("close", () => {
      if (!this.#stopped) setTimeout(() => this.#stopped || this.#start(), RESTART_MS).unref();
    });
  }

  #settle(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onChange(), SETTLE_MS);
  }
}
