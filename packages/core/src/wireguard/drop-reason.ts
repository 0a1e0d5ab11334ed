/** Why an incoming handshake message had no effect. */
export const WIREGUARD_DROP_REASONS = [
  /** Not the type and length of any message. */
  "malformed",
  /** Type 4, which belongs to the packet engine. */
  "transport-data",
  /** The sender does not know our public key. */
  "wrong-mac1",
  /** Under load, no valid cookie; answered with one as far as the rate of answers allows. */
  "under-load",
  /** Under load, valid cookie, too many from this source or in all. */
  "rate-limited",
  /** An initiation that was not made for our key, or a forged one. */
  "undecryptable",
  /** An initiation in the name of a key that is not one of our peers. */
  "unknown-peer",
  /** An initiation with a timestamp not above the peer's last. */
  "replayed",
  /** A peer's initiation sooner after the last than INITIATION_INTERVAL_MIN_MS. */
  "too-frequent",
  /** A response or cookie reply to nothing that is under way, as the later ones of several paths. */
  "unknown-index",
  /** A response that does not open: forged, or made with another preshared key. */
  "wrong-response",
  /** A cookie reply that does not open, or a second one for the same message. */
  "wrong-cookie",
] as const;

export type WireGuardDropReason = (typeof WIREGUARD_DROP_REASONS)[number];
