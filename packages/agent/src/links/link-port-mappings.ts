import type { LinkId } from "@asterism/core/net";
import type { LinkPortMapping } from "@asterism/core/port-mapping";
import type { Logger } from "pino";
import { findGatewayPlace } from "../port-mapping/gateway-place.ts";
import { PortMapping } from "../port-mapping/port-mapping.ts";
import type { OpenLink } from "./link-set.ts";

export interface LinkPortMappingsOptions {
  /** 12 bytes, see `PortMapper`. */
  readonly nonce: Uint8Array;
  readonly logger: Logger;
  readonly ownInterfaces: () => ReadonlySet<string>;
  readonly onChange: (mapping: LinkPortMapping) => void;
}

/** Has the router in front of each link map the link's port. */
export class LinkPortMappings {
  readonly #options: LinkPortMappingsOptions;
  readonly #mappings = new Map<LinkId, PortMapping>(); // bounded: links of this network

  constructor(options: LinkPortMappingsOptions) {
    this.#options = options;
  }

  /** The links that there are now; addresses and routes may have changed as well. */
  handleLinks(links: readonly OpenLink[]): void {
    const ids = new Set(links.map(({ info }) => info.id));
    for (const [id, mapping] of this.#mappings) {
      if (ids.has(id)) mapping.handleNetworkChange();
      else void this.#end(id, mapping);
    }
    for (const link of links) if (!this.#mappings.has(link.info.id)) this.#begin(link);
  }

  /** Deletes the mappings as far as the routers answer in time. */
  async close(): Promise<void> {
    await Promise.all([...this.#mappings].map(([id, mapping]) => this.#end(id, mapping)));
  }

  #begin({ wanted, info }: OpenLink): void {
    const { nonce, logger, ownInterfaces, onChange } = this.#options;
    const mapping = new PortMapping({
      link: info,
      nonce,
      logger: wanted.boundTo === null ? logger : logger.child({ link: wanted.name }),
      findPlace: () => findGatewayPlace(ownInterfaces(), wanted.boundTo === null ? undefined : wanted.name),
      onChange,
    });
    this.#mappings.set(info.id, mapping);
  }

  #end(id: LinkId, mapping: PortMapping): Promise<void> {
    this.#mappings.delete(id);
    return mapping.close();
  }
}
