import type { RandomBytes } from "../src/random.ts";
import type { Instant } from "../src/time.ts";
import { CookieKeeper } from "../src/wireguard/cookie.ts";
import { encodeInitiation } from "../src/wireguard/messages.ts";

/** Rubbish in the form of an initiation to `publicKey`, with a valid `mac1`: what costs a device the most. */
export function forgedInitiation(publicKey: Uint8Array, random: RandomBytes): Uint8Array {
  const message = encodeInitiation({
    senderIndex: 77,
    ephemeral: random(32),
    sealedStatic: random(48),
    sealedTimestamp: random(28),
  });
  new CookieKeeper(publicKey).addMacs(message, 0 as Instant);
  return message;
}
