import { AsterismError } from "@asterism/core/errors";
import type { UdpAddress } from "@asterism/core/net";
import { EngineError, type RelayDevice } from "@asterism/engine";
import type { UdpListener } from "./listeners.ts";
import { expandHost } from "./local-addresses.ts";
import type { ListenAddress } from "./options.ts";

/**
 * The UDP sockets of a relay: one per address, and one at a second port, by which clients find out how their NAT filters
 * (RFC 5780). Where a host of many addresses was asked for, sockets follow the addresses as they come and go.
 */
export class UdpListeners {
  readonly #device: RelayDevice;
  readonly #listen: readonly ListenAddress[];
  readonly #open = new Map<string, UdpListener & { readonly isAlternate: boolean }>(); // bounded: 2 × MAX_ADDRESSES × listen

  constructor(device: RelayDevice, listen: readonly ListenAddress[]) {
    this.#device = device;
    this.#listen = listen;
  }

  get all(): readonly UdpListener[] {
    return [...this.#open.values()];
  }

  /** Without the second ports. */
  get primary(): readonly UdpAddress[] {
    return [...this.#open.values()].filter(({ isAlternate }) => !isAlternate).map(({ local }) => local);
  }

  get alternate(): readonly UdpAddress[] {
    return [...this.#open.values()].filter(({ isAlternate }) => isAlternate).map(({ local }) => local);
  }

  /**
   * The first time, each address must open: throws EngineError, or `invalid-input` for an address that the host does not
   * have. Second ports are opened if they are free.
   */
  openAll(addresses: readonly string[]): void {
    for (const { host, port } of this.#listen) {
      for (const address of expandHost(host, addresses)) {
        this.#openFirst(address, port);
        this.#tryOne(address, port === 0 ? 0 : port + 1, true);
      }
    }
  }

  /** Those whose address is gone; to be closed with `close` after their allocations. */
  gone(addresses: readonly string[]): UdpListener[] {
    const wanted = new Set(this.#listen.flatMap(({ host }) => expandHost(host, addresses)));
    return this.all.filter(({ local }) => !wanted.has(local.address));
  }

  /** True if a socket was opened at a new address. */
  follow(addresses: readonly string[]): boolean {
    const before = this.#open.size;
    for (const { host, port } of this.#listen) {
      if (port === 0) continue;
      for (const address of expandHost(host, addresses)) {
        if (this.#tryOne(address, port, false)) this.#tryOne(address, port + 1, true);
      }
    }
    return this.#open.size > before;
  }

  close(listener: UdpListener): void {
    for (const [key, { id }] of this.#open) if (id === listener.id) this.#open.delete(key);
    this.#device.closeListener(listener.id);
  }

  #openFirst(address: string, port: number): void {
    try {
      this.#openOne(address, port, false);
    } catch (cause) {
      if (!(cause instanceof EngineError) || cause.reason !== "address-not-available") throw cause;
      throw new AsterismError("invalid-input", `${address} is not an address of this machine.`, { cause });
    }
  }

  #tryOne(address: string, port: number, isAlternate: boolean): boolean {
    try {
      return this.#openOne(address, port, isAlternate);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      return false;
    }
  }

  #openOne(address: string, port: number, isAlternate: boolean): boolean {
    const key = `${address} ${isAlternate ? "alternate" : "primary"} ${port}`;
    if (this.#open.has(key)) return false;
    const opened = this.#device.openListener({ address, port });
    this.#open.set(key, { id: opened.id, local: { address, port: opened.port }, isAlternate });
    return true;
  }
}
