import type { LinkId } from "@asterism/core/net";
import type { GatewayPlace, LinkPortMapping } from "@asterism/core/port-mapping";
import type { Logger } from "pino";
import { PortMapping } from "../port-mapping/port-mapping.ts";
import type { OpenLink } from "./link-set.ts";

export interface LinkPortMappingsOptions {
  /** 12 bytes, see `PortMapper`. */
  readonly nonce: Uint8Array;
  readonly logger: Logger;
  /** The router in front of an interface or address, or of the host. */
  readonly findPlace: (link: string | undefined) => GatewayPlace | null;
  readonly onChange: (mapping: LinkPortMapping) => void;
}

interface OwnMapping {
  readonly port: number;
  readonly mapping: PortMapping;
}

/** A mapping whose deletion is under way. */
interface Ending {
  readonly port: number;
  readonly done: Promise<void>;
}

/**
 * Has the router in front of each link map the link's port. To the router a link that takes another one's port is the same,
 * so it comes only when the other one's mapping is deleted: a deletion that is repeated would be of its own.
 */
export class LinkPortMappings {
  readonly #options: LinkPortMappingsOptions;
  #links: readonly OpenLink[] = []; // bounded: links of this network
  readonly #mappings = new Map<LinkId, OwnMapping>(); // bounded: likewise
  readonly #endings = new Set<Ending>(); // bounded: links that went in the last seconds

  constructor(options: LinkPortMappingsOptions) {
    this.#options = options;
  }

  /** The links that there are now; addresses and routes may have changed as well. */
  handleLinks(links: readonly OpenLink[]): void {
    this.#links = links;
    const ids = new Set(links.map(({ info }) => info.id));
    for (const [id, own] of this.#mappings) {
      if (ids.has(id)) own.mapping.handleNetworkChange();
      else this.#end(id, own);
    }
    this.#beginMissing();
  }

  /** Deletes the mappings as far as the routers answer in time. */
  async close(): Promise<void> {
    this.#links = [];
    for (const [id, own] of this.#mappings) this.#end(id, own);
    await Promise.all([...this.#endings].map(({ done }) => done));
  }

  #beginMissing(): void {
    const busy = new Set([...this.#endings].map(({ port }) => port));
    for (const link of this.#links) {
      if (!this.#mappings.has(link.info.id) && !busy.has(link.info.port)) this.#begin(link);
    }
  }

  #begin({ wanted, info }: OpenLink): void {
    const { nonce, logger, findPlace, onChange } = this.#options;
    const mapping = new PortMapping({
      link: info,
      nonce,
      logger: wanted.boundTo === null ? logger : logger.child({ link: wanted.name }),
      findPlace: () => findPlace(wanted.boundTo === null ? undefined : wanted.name),
      onChange,
    });
    this.#mappings.set(info.id, { port: info.port, mapping });
  }

  #end(id: LinkId, { port, mapping }: OwnMapping): void {
    this.#mappings.delete(id);
    const done = mapping.close().then(() => {
      this.#endings.delete(ending);
      this.#beginMissing();
    });
    const ending = { port, done };
    this.#endings.add(ending);
  }
}
