import type { RandomBytes } from "@asterism/core/random";
import type { Logger } from "pino";
import type { ServerMetrics } from "./metrics/server-metrics.ts";
import type { MemberRelays } from "./relays/member-relays.ts";
import type { OwnRelay } from "./relays/own-relay.ts";
import type { RelayHosts } from "./relays/relay-hosts.ts";
import type { Database } from "./store/sqlite.ts";

/** Who this server is towards its agents. */
export interface ServerIdentity {
  /** `https://host[:port]`, as it stands in join keys. */
  readonly url: string;
  /** SHA-256 of the certificate, 32 bytes. */
  readonly fingerprint: Uint8Array;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/** What operations work with. */
export interface ServerContext {
  readonly db: Database;
  readonly identity: ServerIdentity;
  readonly random: RandomBytes;
  /** Milliseconds since 1970. */
  readonly wallNow: () => number;
  readonly log: Logger;
  /** The relay that runs together with this server, if one does. */
  readonly ownRelay: OwnRelay | null;
  /** Relays that members offer. */
  readonly memberRelays: MemberRelays;
  readonly relayHosts: RelayHosts;
  readonly metrics: ServerMetrics;
}
