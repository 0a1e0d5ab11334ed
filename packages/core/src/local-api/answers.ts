import type { TrafficModeName } from "../control/scalars.ts";
import type { ActivePathStatus, ModeReason, NetworkStatus } from "./status.ts";

export interface JoinAnswer {
  network: NetworkStatus;
}

export interface NetworksAnswer {
  /** Names of the networks the command took effect on. */
  networks: string[];
}

/** In which mode packets for a peer travel. */
export interface ModeAnswer {
  peer: string;
  network: string;
  /** What is in force. */
  mode: TrafficModeName;
  /** Who says so. */
  by: ModeReason;
  /** What was chosen here for this peer, null if nothing. */
  chosen: TrafficModeName | null;
  /** The network's default, null if the server names none. */
  networkDefault: TrafficModeName | null;
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
