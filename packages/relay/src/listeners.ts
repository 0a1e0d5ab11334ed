import type { UdpAddress } from "@asterism/core/net";
import { classifyAddress } from "@asterism/core/paths";
import type { ListenerId } from "@asterism/engine";

/** A UDP socket that clients send to. */
export interface UdpListener {
  readonly id: ListenerId;
  readonly local: UdpAddress;
}

/** The server's UDP addresses, and how RFC 5780 pairs them: addresses of one family with the same two ports each. */
export class Listeners {
  #listeners: readonly UdpListener[] = [];

  set(listeners: readonly UdpListener[]): void {
    this.#listeners = listeners;
  }

  get(id: ListenerId): UdpListener | undefined {
    return this.#listeners.find((listener) => listener.id === id);
  }

  /** Where a listener's other address and other port are; with one address, that address at the other port. */
  other(of: UdpListener): UdpListener | undefined {
    return this.pick(of, { changeIp: true, changePort: true }) ?? this.pick(of, { changeIp: false, changePort: true });
  }

  /** The listener from which an answer to a CHANGE-REQUEST leaves (RFC 5780 §6.1). */
  pick(of: UdpListener, change: { readonly changeIp: boolean; readonly changePort: boolean }): UdpListener | undefined {
    const isV6 = of.local.address.includes(":");
    return this.#listeners.find(
      ({ local }) =>
        local.address.includes(":") === isV6 &&
        (local.address !== of.local.address) === change.changeIp &&
        (local.port !== of.local.port) === change.changePort &&
        (!change.changeIp || (isPublic(local) && isPublic(of.local))),
    );
  }
}

/** Private addresses of one host are rarely of one network: who reaches one may not reach the other. */
function isPublic({ address }: UdpAddress): boolean {
  return classifyAddress(address) === "global";
}
