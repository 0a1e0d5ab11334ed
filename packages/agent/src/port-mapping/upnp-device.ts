import { randomInt } from "node:crypto";
import { isIPv4 } from "node:net";
import type { UdpAddress } from "@asterism/core/net";
import type { GatewayPlace, UpnpTarget } from "@asterism/core/port-mapping";
import { Device } from "nat-upnp-rejetto";
import { isOfGateway } from "./upnp-search.ts";

const DESCRIPTION = "asterism";
/** Error codes of WANIPConnection: another client has this port, or the router itself; leases never end. */
const CONFLICTS = new Set([718, 729]);
const ONLY_PERMANENT_LEASES = 725;
const OTHER_PORTS_TRIED = 4;

/** What the router itself says. */
export class UpnpRefusal extends Error {}

/** The UPnP device of a router: its WANIPConnection or WANPPPConnection service. */
export class UpnpDevice {
  readonly #device: Device;

  private constructor(device: Device) {
    this.#device = device;
  }

  /** Throws if the description is of no use, or leads to another host. */
  static async open(location: string, { gateway }: GatewayPlace): Promise<UpnpDevice> {
    const device = new Device(location);
    const service = await device.getService(device.services);
    if (!isOfGateway(service.controlURL, gateway)) throw new Error("the description leads to another host");
    // What was checked is what is used; otherwise each action would read the description again.
    device.getService = () => Promise.resolve(service);
    return new UpnpDevice(device);
  }

  /** Returns where packets to our port are to be sent to, as the router says. */
  async map(target: UpnpTarget, lifetimeSeconds: number): Promise<UdpAddress> {
    let externalPort = target.externalPort;
    let leaseSeconds = lifetimeSeconds;
    for (let tries = 0; ; tries++) {
      try {
        await this.#run("AddPortMapping", [
          ["NewRemoteHost", ""],
          ["NewExternalPort", externalPort],
          ["NewProtocol", "UDP"],
          ["NewInternalPort", target.internalPort],
          ["NewInternalClient", target.local],
          ["NewEnabled", 1],
          ["NewPortMappingDescription", DESCRIPTION],
          ["NewLeaseDuration", leaseSeconds],
        ]);
        return { address: await this.#externalAddress(), port: externalPort };
      } catch (error) {
        const code = errorCodeOf(error);
        if (code === undefined) throw error;
        if (code === ONLY_PERMANENT_LEASES && leaseSeconds !== 0) leaseSeconds = 0;
        else if (CONFLICTS.has(code) && tries <= OTHER_PORTS_TRIED) externalPort = randomInt(1_024, 65_536);
        else throw new UpnpRefusal(`UPnP error ${code}`);
      }
    }
  }

  async unmap({ externalPort }: UpnpTarget): Promise<void> {
    await this.#run("DeletePortMapping", [
      ["NewRemoteHost", ""],
      ["NewExternalPort", externalPort],
      ["NewProtocol", "UDP"],
    ]);
  }

  async #externalAddress(): Promise<string> {
    const answer = await this.#run("GetExternalIPAddress", []);
    const address = field(field(answer, "GetExternalIPAddressResponse"), "NewExternalIPAddress");
    // Routers without a connection answer with nothing.
    if (address === "") return "0.0.0.0";
    if (typeof address !== "string" || !isIPv4(address)) throw new Error("the router's external address is malformed");
    return address;
  }

  #run(action: string, fields: [string, string | number][]): Promise<unknown> {
    return this.#device.run(action, fields);
  }
}

/** The library throws the UPnPError element of the answer as it is. */
function errorCodeOf(error: unknown): number | undefined {
  const code = Number(field(error, "errorCode"));
  return Number.isInteger(code) && code > 0 ? code : undefined;
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
