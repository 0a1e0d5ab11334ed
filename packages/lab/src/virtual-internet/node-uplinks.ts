import type { LinkId } from "@asterism/core/net";
import { candidatePriority, type LinkTraits, type LocalCandidate } from "@asterism/core/paths";
import type { VirtualHost, VirtualInterface } from "./virtual-host.ts";

const PORT = 41_641;
/** As the agent's: preferences of one link's addresses lie so far below those of the one before. */
const PREFERENCE_STEP = 1_024;

interface Uplink {
  readonly linkId: LinkId;
  readonly on: VirtualInterface;
  readonly traits: Pick<LocalCandidate, "traits">;
}

/** The links of a member: a socket on each of these interfaces, the preferred one first. */
export class NodeUplinks {
  readonly #host: VirtualHost;
  #uplinks: readonly Uplink[] = []; // bounded: by the scenario

  constructor(host: VirtualHost) {
    this.#host = host;
  }

  get interfaces(): VirtualInterface[] {
    return this.#uplinks.map(({ on }) => on);
  }

  add(on: VirtualInterface, traits?: LinkTraits): LinkId {
    const linkId = this.#host.openSocket(on, PORT);
    this.#uplinks = [...this.#uplinks, { linkId, on, traits: traits === undefined ? {} : { traits } }];
    return linkId;
  }

  /** It is used no more; its socket is still open. */
  drop(on: VirtualInterface): void {
    this.#uplinks = this.#uplinks.filter((uplink) => uplink.on !== on);
  }

  linkOf(on: VirtualInterface): LinkId | undefined {
    return this.#uplinks.find((uplink) => uplink.on === on)?.linkId;
  }

  interfaceOf(linkId: LinkId): VirtualInterface | undefined {
    return this.#uplinks.find((uplink) => uplink.linkId === linkId)?.on;
  }

  /** What the host knows of where it can be reached. */
  candidates(): LocalCandidate[] {
    return this.#uplinks.flatMap(({ linkId, on, traits }, place): LocalCandidate[] => {
      const priority = candidatePriority("host", 65_535 - place * PREFERENCE_STEP);
      return [on.ipv4, on.ipv6].flatMap((address) =>
        address === undefined ? [] : [{ kind: "host", address: { address, port: PORT }, linkId, priority, ...traits }],
      );
    });
  }

  closeAll(): void {
    for (const { linkId } of this.#uplinks) this.#host.closeSocket(linkId);
  }
}
