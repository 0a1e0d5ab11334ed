/**
 * Runs one UPnP exchange in a thread of its own, which is ended with whatever a router has made it do: its answers are
 * XML of any size from whoever sits at that address.
 */
import { parentPort, workerData } from "node:worker_threads";
import type { UpnpAnswer, UpnpJob } from "./upnp.ts";
import { UpnpDevice, UpnpRefusal } from "./upnp-device.ts";
import { searchGatewayDevice } from "./upnp-search.ts";

// SAFETY: only `runUpnp` starts this file.
const job = workerData as UpnpJob;
parentPort?.postMessage(await run(job));

async function run({ action, target, lifetimeSeconds }: UpnpJob): Promise<UpnpAnswer> {
  const location = await searchGatewayDevice(target);
  if (location === null) return { external: null, refusal: null };
  try {
    const device = await UpnpDevice.open(location, target);
    if (action === "map") return { external: await device.map(target, lifetimeSeconds), refusal: null };
    await device.unmap(target);
    return { external: null, refusal: null };
  } catch (error) {
    const refusal = error instanceof UpnpRefusal ? error.message : "its answers by UPnP make no sense";
    return { external: null, refusal };
  }
}
