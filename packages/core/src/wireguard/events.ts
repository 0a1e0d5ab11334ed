import type { PathAddress } from "../net/index.ts";
import type { Instant } from "../time.ts";

/** Number of a peer on one `WireGuard` device, from 1; never used again after `removePeer`. */
export type PeerHandle = number;

export type SessionRole = "initiator" | "responder";

/** A handshake message to send. */
export interface WireGuardTransmit {
  /** 0, which is no peer's handle, for a cookie reply: nobody knows yet who asked. */
  readonly peer: PeerHandle;
  readonly bytes: Uint8Array;
  /** Answers go back to where the question came from. `paths`: the path layer chooses, one way or several. */
  readonly to: PathAddress | "paths";
}

export type HandshakeFailure =
  /** No usable response for REKEY_ATTEMPT_TIME. The machine has given up until it is asked again. */
  | "no-answer"
  /**
   * The peer answered with a response that does not open: most likely the preshared keys differ. The machine goes on
   * trying, since whoever sees the initiation could forge such a response. At most once per initiation.
   */
  | "wrong-preshared-key"
  /** The peer's public key is our own or of small order: no session is possible. */
  | "invalid-public-key";

export type WireGuardEvent =
  /**
   * Install these keys. The keys belong to the receiver of the event, who wipes them. An initiator's session is
   * followed by a `keepalive` event: the responder may not send before it has received something in the session.
   */
  | {
      readonly kind: "session";
      readonly peer: PeerHandle;
      readonly localIndex: number;
      readonly remoteIndex: number;
      readonly sendKey: Uint8Array;
      readonly receiveKey: Uint8Array;
      readonly role: SessionRole;
      readonly expiresAt: Instant;
      readonly from: PathAddress;
    }
  /** Wipe the keys of this session. Comes before the `session` event of the one that takes its place. */
  | { readonly kind: "session-ended"; readonly peer: PeerHandle; readonly localIndex: number }
  /** Send an empty packet to the peer. */
  | { readonly kind: "keepalive"; readonly peer: PeerHandle }
  /** A handshake message that only the peer can have made came from here, for the first time. */
  | { readonly kind: "authenticated"; readonly peer: PeerHandle; readonly from: PathAddress }
  | { readonly kind: "handshake-failed"; readonly peer: PeerHandle; readonly reason: HandshakeFailure };
