import { RELAY_CREDENTIALS_LIFETIME_MS, type RelaysMessage } from "@asterism/core/control";
import { type NetworkRelay, relaysMessage } from "../domain/network-relays.ts";
import { memberCredentials } from "../relays/member-credentials.ts";

/** Relays of a network, read once for all its streams. */
export interface RelaysOfNetwork {
  readonly relays: readonly NetworkRelay[];
  /** Equal exactly if the relays are. */
  readonly content: string;
}

export interface RelayUpdatesOptions {
  readonly nodeId: string;
  readonly read: () => Promise<RelaysOfNetwork>;
  readonly send: (message: RelaysMessage) => void;
  /** While true nothing is sent: `update` will be called again. */
  readonly isBehind: () => boolean;
  /** Milliseconds since 1970. */
  readonly wallNow: () => number;
}

/** Keeps one agent up to date about the relays of its network: at first, when they change, before credentials expire. */
export class RelayUpdates {
  readonly #options: RelayUpdatesOptions;
  #sent: { readonly content: string; readonly at: number; readonly refreshAt: number } | undefined;
  #updating: Promise<void> | undefined;
  #updateAgain = false;

  constructor(options: RelayUpdatesOptions) {
    this.#options = options;
  }

  /** Sends what the agent lacks, if anything. Calls while one is under way are merged. */
  update(): Promise<void> {
    this.#updateAgain = this.#updating !== undefined;
    this.#updating ??= this.#updateUntilCurrent();
    return this.#updating;
  }

  async #updateUntilCurrent(): Promise<void> {
    try {
      do {
        this.#updateAgain = false;
        const { relays, content } = await this.#options.read();
        if (!this.#options.isBehind() && this.#isDue(content)) this.#send(relays, content);
      } while (this.#updateAgain);
    } finally {
      this.#updating = undefined;
    }
  }

  #isDue(content: string): boolean {
    const sent = this.#sent;
    if (sent === undefined || sent.content !== content) return true;
    const now = this.#options.wallNow();
    // A clock that was set back made credentials that last longer than they should: replace them.
    return now >= sent.refreshAt || now < sent.at;
  }

  #send(relays: readonly NetworkRelay[], content: string): void {
    const { nodeId, send, wallNow } = this.#options;
    const now = wallNow();
    // Jitter keeps thousands of agents that connected together from being refreshed together.
    const refreshAt = now + (RELAY_CREDENTIALS_LIFETIME_MS / 2) * (0.9 + 0.1 * Math.random());
    this.#sent = { content, at: now, refreshAt };
    send(relaysMessage(relays, nodeId, (auth) => memberCredentials(auth, nodeId, now)));
  }
}
