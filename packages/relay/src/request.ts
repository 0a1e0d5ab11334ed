import type { UdpAddress } from "@asterism/core/net";
import type { RandomBytes } from "@asterism/core/random";
import type { StunMessage } from "@asterism/core/stun";
import type { ClockReading } from "@asterism/core/time";
import type { TurnErrorCode } from "@asterism/core/turn";
import type { AllocationTable } from "./allocation-table.ts";
import type { Authenticated } from "./authentication.ts";
import type { TurnClientAddress } from "./client.ts";
import type { ForwardingTable } from "./forwarding.ts";
import type { PeerPolicy } from "./peer-policy.ts";
import type { RelayedPorts } from "./relayed-ports.ts";

/** What the handlers of authenticated requests work with. */
export interface TurnContext {
  readonly allocations: AllocationTable;
  readonly forwarding: ForwardingTable;
  readonly ports: RelayedPorts;
  readonly policy: PeerPolicy;
  readonly userBytesPerSecond: number;
  readonly random: RandomBytes;
  /** The host's address of a family for relayed addresses; the client's own way in if it is of that family. */
  relayAddress(client: TurnClientAddress, family: 4 | 6): string | undefined;
  /** How others see an address of this host. */
  publicAddress(address: string): string;
  /** The address of this host that others see as `address`; `address` itself if it is none. */
  localAddress(address: string): string;
}

/** A request whose sender has proved to have the credentials. */
export interface TurnRequest {
  readonly message: StunMessage;
  readonly client: TurnClientAddress;
  /** The five-tuple as the server sees it. */
  readonly mapped: UdpAddress;
  readonly credentials: Authenticated;
  readonly at: ClockReading;
}

export interface AnswerAttribute {
  readonly type: number;
  readonly value: Uint8Array;
}

export type TurnAnswer =
  | { readonly ok: true; readonly attributes: readonly AnswerAttribute[] }
  | { readonly ok: false; readonly code: TurnErrorCode };

export function refuse(code: TurnErrorCode): TurnAnswer {
  return { ok: false, code };
}
