import type { StreamEndpoint } from "../gathering/index.ts";
import type { LinkId, PathAddress } from "../net/index.ts";
import type { TrafficMode } from "../paths/index.ts";
import type { Instant } from "../time.ts";

/** Ciphers of transport data that this implementation knows (design.md §5). */
export type Aead = "chacha20-poly1305" | "aes-256-gcm";

/** One row of the engine's path table for a peer. */
export interface MeshPath extends PathAddress {
  readonly relayed: boolean;
  readonly weight: number;
  /** Largest datagram (UDP payload) that passes in one piece, 0 if unknown. */
  readonly mtuBytes: number;
  /** At most so much of what is spread over several paths goes this way; no limit if left out. */
  readonly capBytesPerSecond?: number;
}

export interface MeshSession {
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  readonly aead: Aead;
  readonly role: "initiator" | "responder";
  readonly expiresAt: Instant;
}

/**
 * What a mesh wants done, in this order. The shell carries each effect out before it asks for the next: a session is
 * installed after the path that its first packets take.
 */
export type MeshEffect =
  | { readonly kind: "add-peer"; readonly nodeId: string; readonly allowedIps: readonly string[] }
  | { readonly kind: "set-allowed-ips"; readonly nodeId: string; readonly allowedIps: readonly string[] }
  | { readonly kind: "remove-peer"; readonly nodeId: string }
  | {
      readonly kind: "set-paths";
      readonly nodeId: string;
      readonly paths: readonly MeshPath[];
      readonly mode: TrafficMode;
    }
  | { readonly kind: "install-session"; readonly nodeId: string; readonly session: MeshSession }
  | { readonly kind: "remove-session"; readonly nodeId: string; readonly localIndex: number }
  | { readonly kind: "send-keepalive"; readonly nodeId: string }
  | { readonly kind: "drop-staged"; readonly nodeId: string }
  | {
      readonly kind: "send-datagram";
      readonly to: PathAddress;
      readonly bytes: Uint8Array;
      /** To be sent in one piece or not at all. */
      readonly dontFragment?: true;
    }
  /** Open a stream to a relay; then call `handleStreamOpened` with the engine's link, or `handleStreamClosed`. */
  | { readonly kind: "open-stream"; readonly streamId: number; readonly endpoint: StreamEndpoint }
  /** Close what is left of it, the engine's link too. */
  | { readonly kind: "close-stream"; readonly streamId: number }
  /** An agent's own message (`core/inner`) to a member, sealed into the tunnel as if the host had sent it. */
  | { readonly kind: "send-inner"; readonly nodeId: string; readonly packet: Uint8Array }
  /** Open a UDP socket for IPv4 like that of link `like`, on another port; then call `handleSocketOpened`. */
  | { readonly kind: "open-socket"; readonly nodeId: string | null; readonly like: LinkId }
  | { readonly kind: "close-socket"; readonly linkId: LinkId }
  /** To be passed on by the server to the member; base64. */
  | { readonly kind: "send-call"; readonly nodeId: string; readonly sealed: string }
  /** Something a person may want to know; a log line. */
  | {
      readonly kind: "notice";
      readonly level: "debug" | "info" | "warn";
      /** The peer that it is about; null: the host. */
      readonly nodeId: string | null;
      readonly text: string;
    };
