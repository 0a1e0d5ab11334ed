import { Worker } from "node:worker_threads";
import type { UdpAddress } from "@asterism/core/net";
import type { UpnpTarget } from "@asterism/core/port-mapping";

export interface UpnpJob {
  readonly action: "map" | "unmap";
  readonly target: UpnpTarget;
  readonly lifetimeSeconds: number;
}

export interface UpnpAnswer {
  readonly external: UdpAddress | null;
  /** Why not, as the router says; null if it does not speak UPnP. */
  readonly refusal: string | null;
}

/** Ample for descriptions of a few KiB. */
const HEAP_LIMIT_MB = 32;
const NO_ANSWER: UpnpAnswer = { external: null, refusal: null };

/** Never rejects; takes `limitMs` at most. */
export async function runUpnp(job: UpnpJob, limitMs: number): Promise<UpnpAnswer> {
  const { promise, resolve } = Promise.withResolvers<UpnpAnswer>();
  const worker = new Worker(new URL("./upnp-worker.ts", import.meta.url), {
    workerData: job,
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_LIMIT_MB, maxYoungGenerationSizeMb: 8 },
  });
  const limit = setTimeout(() => resolve(NO_ANSWER), limitMs);
  worker.once("message", (answer: UpnpAnswer) => resolve(answer));
  worker.once("error", () => resolve({ external: null, refusal: "its answers by UPnP make no sense" }));
  worker.once("exit", () => resolve(NO_ANSWER));
  const answer = await promise;
  clearTimeout(limit);
  await worker.terminate();
  return answer;
}
