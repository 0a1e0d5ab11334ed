import type { Instant } from "../time.ts";

/** How the last calls to a peer and of a peer have travelled. Members by node id; the peer itself stands for the tunnel. */
export interface CallWays {
  /** `members`: who was given it to pass it on, and has not refused. */
  readonly sent: { readonly at: Instant; readonly byServer: boolean; readonly members: readonly string[] } | null;
  /** Authentic; `via` is null if it came through the server. */
  readonly received: { readonly at: Instant; readonly via: string | null } | null;
}

interface Sent {
  readonly at: Instant;
  readonly byServer: boolean;
  readonly isForwarded: boolean;
}

/** Remembers how calls travelled, for explanations only. */
export class CallLog {
  readonly #sent = new Map<string, Sent>(); // bounded: members of the map
  readonly #received = new Map<string, NonNullable<CallWays["received"]>>(); // bounded: likewise

  handleSent(nodeId: string, ways: Omit<Sent, "at">, at: Instant): void {
    this.#sent.set(nodeId, { ...ways, at });
  }

  /** The server could not deliver the last call. */
  handleServerFailed(nodeId: string, isForwarded: boolean): void {
    const sent = this.#sent.get(nodeId);
    if (sent === undefined) return;
    this.#sent.set(nodeId, { ...sent, byServer: false, isForwarded: sent.isForwarded || isForwarded });
  }

  handleReceived(nodeId: string, via: string | null, at: Instant): void {
    this.#received.set(nodeId, { at, via });
  }

  /** `givenTo`: who has got the last call that was forwarded. */
  of(nodeId: string, givenTo: readonly string[]): CallWays {
    const sent = this.#sent.get(nodeId);
    return {
      sent:
        sent === undefined ? null : { at: sent.at, byServer: sent.byServer, members: sent.isForwarded ? givenTo : [] },
      received: this.#received.get(nodeId) ?? null,
    };
  }

  forget(nodeId: string): void {
    this.#sent.delete(nodeId);
    this.#received.delete(nodeId);
  }
}
