import { Worker } from "node:worker_threads";
import type { UdpAddress } from "@asterism/core/net";
import type { UpnpTarget } from "@asterism/core/port-mapping";
import { searchGatewayDevice } from "./upnp-search.ts";

export interface UpnpJob {
  readonly action: "map" | "unmap";
  readonly target: UpnpTarget;
  readonly lifetimeSeconds: number;
}

/** A job with the address of the device's description. */
export interface UpnpExchange extends UpnpJob {
  readonly location: string;
}

export interface UpnpAnswer {
  readonly external: UdpAddress | null;
  /** Why not, as the router says; null if it does not speak UPnP. */
  readonly refusal: string | null;
}

/** Ample for descriptions of a few KiB. */
const HEAP_LIMIT_MB = 32;
const NO_ANSWER: UpnpAnswer = { external: null, refusal: null };

/** Never rejects. After the search, which takes 2.4 s at most, it takes `limitMs` at most. */
export async function runUpnp(job: UpnpJob, limitMs: number): Promise<UpnpAnswer> {
  const location = await searchGatewayDevice(job.target);
  return location === null ? NO_ANSWER : talk({ ...job, location }, limitMs);
}

/** Only with a device that is there, as a thread costs some 20 MB. */
async function talk(exchange: UpnpExchange, limitMs: number): Promise<UpnpAnswer> {
  const { promise, resolve } = Promise.withResolvers<UpnpAnswer>();
  const worker = new Worker(new URL("./upnp-worker.ts", import.meta.url), {
    workerData: exchange,
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
