import { formatUdpAddress, type UdpAddress } from "@asterism/core/net";
import type { ListenerId } from "@asterism/engine";

/** A client's five-tuple: how its requests come in and answers go out. */
export type TurnClientAddress =
  | { readonly via: "udp"; readonly listenerId: ListenerId; readonly remote: UdpAddress }
  /** A TCP or TLS connection; ids are never used again. `local` is the address it came to. */
  | { readonly via: "stream"; readonly streamId: number; readonly remote: UdpAddress; readonly local: UdpAddress };

/** A map key that is equal exactly when the five-tuples are. */
export function clientKey(client: TurnClientAddress): string {
  return client.via === "udp" ? `${client.listenerId}/${formatUdpAddress(client.remote)}` : `stream/${client.streamId}`;
}
