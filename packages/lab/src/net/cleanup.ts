/**
 * Makes sure that nothing of the lab outlives its process.
 *
 *   ends by itself, Ctrl-C, SIGTERM, exception   hooks of this process sweep its namespaces
 *   kill -9                                      a shell in a session of its own sees its input close and sweeps
 *   kill -9 of that shell as well                the next lab, or `npm run lab:clean`, sweeps what dead owners left
 */
import { type ChildProcess, spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { killLabProcesses } from "./lab-process.ts";
import { type Owner, ownerPrefix, sweep } from "./namespace.ts";

const ENDING_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const REAPER_SCRIPT = `
trap '' INT TERM HUP
if read -r word && [ "$word" = disarm ]; then exit 0; fi
# Twice: a program may be about to enter a namespace whose processes were just listed.
for pass in 1 2; do
  for path in /run/netns/"$1"*; do
    [ -e "$path" ] || continue
    for pid in $(ip netns pids "\${path##*/}"); do kill -9 "$pid"; done
  done
  sleep 0.1
done
for path in /run/netns/"$1"*; do
  [ -e "$path" ] && ip netns del "\${path##*/}"
done
rm -rf "$2"/"$1"*
`;

/** Guards one process: armed while it has open labs. */
class CleanupGuard {
  #openLabs = 0;
  #reaper: ChildProcess | undefined;
  readonly #owner: Owner;
  readonly #sweepOwn: () => void;
  readonly #onSignal: (signal: NodeJS.Signals) => void;

  constructor(owner: Owner) {
    this.#owner = owner;
    const prefix = ownerPrefix(owner);
    this.#sweepOwn = () => {
      killLabProcesses();
      sweep((name) => name.startsWith(prefix));
    };
    this.#onSignal = (signal) => {
      this.#sweepOwn();
      this.#disarm();
      // Without our handler the signal has its usual effect.
      process.kill(process.pid, signal);
    };
  }

  labOpened(): void {
    this.#openLabs++;
    if (this.#openLabs > 1) return;
    process.on("exit", this.#sweepOwn);
    for (const signal of ENDING_SIGNALS) process.on(signal, this.#onSignal);
    this.#startReaper();
  }

  labClosed(): void {
    this.#openLabs--;
    if (this.#openLabs === 0) this.#disarm();
  }

  #disarm(): void {
    process.off("exit", this.#sweepOwn);
    for (const signal of ENDING_SIGNALS) process.off(signal, this.#onSignal);
    this.#reaper?.stdin?.end("disarm\n");
    this.#reaper = undefined;
  }

  #startReaper(): void {
    const args = ["-c", REAPER_SCRIPT, "asterism-lab-reaper", ownerPrefix(this.#owner), tmpdir()];
    const reaper = spawn("sh", args, { detached: true, stdio: ["pipe", "ignore", "ignore"] });
    reaper.on("error", () => undefined);
    reaper.unref();
    // SAFETY: a child's pipe is a net.Socket at run time, whose unref the stream type doesn't show.
    (reaper.stdin as unknown as { unref?: () => void }).unref?.();
    this.#reaper = reaper;
  }
}

let guard: CleanupGuard | undefined;

export function cleanupGuard(owner: Owner): CleanupGuard {
  guard ??= new CleanupGuard(owner);
  return guard;
}
