/**
 * Talks with one UPnP device in a thread of its own, which is ended with whatever the device has made it do: its answers
 * are XML of any size from whoever sits at that address.
 */
import { parentPort, workerData } from "node:worker_threads";
import type { UpnpAnswer, UpnpExchange } from "./upnp.ts";
import { UpnpDevice, UpnpRefusal } from "./upnp-device.ts";

// SAFETY: only `runUpnp` starts this file.
const exchange = workerData as UpnpExchange;
parentPort?.postMessage(await run(exchange));

async function run({ location, action, target, lifetimeSeconds }: UpnpExchange): Promise<UpnpAnswer> {
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
