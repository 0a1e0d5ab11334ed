import type { ModeInForce } from "./path-use.ts";
import type { ActivePathStatus, NetworkStatus } from "./status.ts";

export interface JoinAnswer {
  network: NetworkStatus;
}

export interface NetworksAnswer {
  /** Names of the networks the command took effect on. */
  networks: string[];
}

export interface ModeAnswer extends ModeInForce {
  peer: string;
  network: string;
}

/** One echo through the tunnel. `rttMs` is null if no answer came in time. */
export interface PingAnswer {
  peer: string;
  address: string;
  sequence: number;
  rttMs: number | null;
  /** The path by which the answer came; of kind `none` without an answer. */
  path: ActivePathStatus;
  /** Why there is no answer, as far as the agent knows. */
  problem: string | null;
}
