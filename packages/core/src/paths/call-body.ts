import type { RemoteCandidate } from "./candidate.ts";

/**
 * `offer`: "I want to reach you, here is where I am"; answered. `answer`: the callee's candidates.
 * `update`: the caller's candidates have changed; not answered.
 */
export type CallType = "offer" | "answer" | "update";

/** What one peer tells the other through the signalling server, before it is sealed. */
export interface CallBody {
  readonly type: CallType;
  /** 16 hex digits, chosen by who offers and echoed by the answer. */
  readonly callId: string;
  readonly candidates: readonly RemoteCandidate[];
}
