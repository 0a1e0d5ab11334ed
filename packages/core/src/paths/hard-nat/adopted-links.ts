import type { LinkId } from "../../net/index.ts";
import { addMs, earliest, type Instant } from "../../time.ts";
import type { PathSet } from "../path-set.ts";
import { ADOPTED_MEMORY_MS, MAX_ADOPTED, PROOF_MS } from "./punch-limits.ts";

interface Adopted {
  readonly linkId: LinkId;
  readonly at: Instant;
}

/** Sockets that the peer has come through: links of their own, for this peer only, until their paths die. */
export class AdoptedLinks {
  readonly #set: PathSet;
  #links: Adopted[] = []; // bounded: MAX_ADOPTED

  constructor(set: PathSet) {
    this.#set = set;
  }

  get size(): number {
    return this.#links.length;
  }

  /** False if the link that it is like is gone. */
  adopt(linkId: LinkId, like: LinkId, now: Instant): boolean {
    if (!this.#set.adoptLink(linkId, like)) return false;
    this.#links.push({ linkId, at: now });
    return true;
  }

  /** Those that are of no use any more; their paths are gone. */
  takeUnused(now: Instant): LinkId[] {
    const unused = this.#links.filter((link, index) => {
      const isTooMany = index < this.#links.length - MAX_ADOPTED;
      return isTooMany || !this.#set.hasLink(link.linkId) || now >= this.#usefulUntil(link);
    });
    if (unused.length === 0) return [];
    this.#links = this.#links.filter((link) => !unused.includes(link));
    return unused.map(({ linkId }) => {
      this.#set.dropLink(linkId);
      return linkId;
    });
  }

  /** The peer is removed. */
  takeAll(): LinkId[] {
    return this.#links.splice(0).map(({ linkId }) => linkId);
  }

  nextAt(): Instant | undefined {
    return this.#links.reduce<Instant | undefined>((at, link) => earliest(at, this.#usefulUntil(link)), undefined);
  }

  #usefulUntil({ linkId, at }: Adopted): Instant {
    let until = addMs(at, PROOF_MS);
    for (const { address, isUsable, answeredAt } of this.#set.all()) {
      if (address.linkId !== linkId || !isUsable || answeredAt === undefined) continue;
      until = Math.max(until, addMs(answeredAt, ADOPTED_MEMORY_MS)) as Instant;
    }
    return until;
  }
}
