import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Host } from "../net/host.ts";
import type { ExecOptions, ExecResult } from "../net/lab-process.ts";

/** The command of this checkout, run as a user would run it. */
export const ASTERISM_COMMAND = fileURLToPath(new URL("../../../../bin/asterism", import.meta.url));

/** Builds the packet engine if need be, so that no measured or awaited start pays for it. */
export async function warmUp(host: Host): Promise<void> {
  await host.exec([ASTERISM_COMMAND, "agent", "--help"], { timeoutMs: 300_000 });
}

export function asterism(host: Host, args: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
  return host.exec([ASTERISM_COMMAND, ...args], options);
}

/** Why the product can't be run from this checkout, or `undefined`. */
export function whyProductCannotRun(): string | undefined {
  return existsSync(ASTERISM_COMMAND) ? undefined : `${ASTERISM_COMMAND} does not exist`;
}
