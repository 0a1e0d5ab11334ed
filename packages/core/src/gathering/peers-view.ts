import { formatUdpAddress, type LinkId, type UdpAddress } from "../net/index.ts";
import { isOfferable } from "../paths/index.ts";
import type { Instant } from "../time.ts";
import { MAX_REFLEXIVE, PEERS_VIEW_MS } from "./timings.ts";

interface View {
  readonly linkId: LinkId;
  readonly mapped: UdpAddress;
  readonly at: Instant;
}

const MAX_VIEWS = 64;

/**
 * Our addresses as the peers see them, which their answers to our checks tell. They stand in for STUN servers while no
 * server can be asked. Of several addresses those count that most peers tell, so one that lies decides nothing where
 * others tell the truth.
 */
export class PeersView {
  readonly #views = new Map<string, View>(); // bounded: MAX_VIEWS, oldest dropped

  add(nodeId: string, linkId: LinkId, mapped: UdpAddress, now: Instant): void {
    if (!isOfferable(mapped, [])) return;
    // A peer keeps its place, so that equally good addresses keep theirs.
    this.#views.set(`${nodeId}/${linkId}`, { linkId, mapped, at: now });
    if (this.#views.size > MAX_VIEWS) this.#views.delete(this.#views.keys().next().value ?? "");
  }

  forgetLink(linkId: LinkId): void {
    for (const [key, view] of this.#views) if (view.linkId === linkId) this.#views.delete(key);
  }

  /** The addresses of a link that most peers have told lately. */
  mapped(linkId: LinkId, family: 4 | 6, now: Instant): UdpAddress[] {
    const votes = new Map<string, { readonly address: UdpAddress; count: number }>();
    for (const view of this.#views.values()) {
      const { mapped } = view;
      if (view.linkId !== linkId || now - view.at >= PEERS_VIEW_MS) continue;
      if (mapped.address.includes(":") !== (family === 6)) continue;
      const key = formatUdpAddress(mapped);
      const vote = votes.get(key) ?? { address: mapped, count: 0 };
      vote.count += 1;
      votes.set(key, vote);
    }
    return [...votes.values()]
      .sort((a, b) => b.count - a.count)
      .slice(0, MAX_REFLEXIVE)
      .map(({ address }) => address);
  }
}
