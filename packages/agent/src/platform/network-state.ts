import type { NetworkEvent } from "@asterism/engine";

interface Interface {
  name: string;
  running: boolean;
  readonly addresses: Set<string>; // bounded: by the kernel
}

/**
 * The host's network as far as it matters to paths, and whether an event changes it. Leases and router advertisements
 * are renewed without end, containers come and go with interfaces that have no address of this host: that is no news.
 */
export class NetworkState {
  readonly #isOwn: (interfaceName: string) => boolean;
  readonly #interfaces = new Map<number, Interface>(); // bounded: interfaces of the host
  #isReady = false;

  /** `isOwn`: interfaces of the overlays, whose changes are of their own making. */
  constructor(isOwn: (interfaceName: string) => boolean) {
    this.#isOwn = isOwn;
  }

  /** Of an interface that there is; null if there is none, undefined while the host has not told. */
  indexOf(interfaceName: string): number | null | undefined {
    if (!this.#isReady) return undefined;
    for (const [index, { name }] of this.#interfaces) if (name === interfaceName) return index;
    return null;
  }

  /** The interface that an event is about; undefined if nobody knows, or it is about all. */
  nameOf(event: NetworkEvent): string | undefined {
    if (event.kind === "link") return event.name;
    return "index" in event ? this.#interfaces.get(event.index)?.name : undefined;
  }

  /** True if paths may have come, gone or changed. */
  handle(event: NetworkEvent): boolean {
    switch (event.kind) {
      case "ready":
        this.#isReady = true;
        return false;
      case "lost":
        return this.#isReady;
      case "link":
        return this.#handleLink(event) && this.#isReady;
      case "address":
        return this.#handleAddress(event) && this.#isReady;
      case "route":
        return !this.#isOwnIndex(event.index) && this.#isReady;
    }
  }

  #handleLink({ index, name, running, gone }: Extract<NetworkEvent, { kind: "link" }>): boolean {
    const known = this.#interfaces.get(index) ?? { name, running: false, addresses: new Set<string>() };
    const isNews = (gone || known.running !== running) && known.addresses.size > 0;
    known.name = name;
    known.running = running && !gone;
    if (gone) this.#interfaces.delete(index);
    else this.#interfaces.set(index, known);
    return isNews && !this.#isOwn(name);
  }

  #handleAddress({ index, address, gone }: Extract<NetworkEvent, { kind: "address" }>): boolean {
    const known = this.#interfaces.get(index);
    // Its link was deleted, which was the news; or the link's message was lost.
    if (known === undefined) return true;
    const isNews = known.addresses.has(address) === gone;
    if (gone) known.addresses.delete(address);
    else known.addresses.add(address);
    return isNews && !this.#isOwn(known.name);
  }

  #isOwnIndex(index: number): boolean {
    const name = this.#interfaces.get(index)?.name;
    return name !== undefined && this.#isOwn(name);
  }
}
