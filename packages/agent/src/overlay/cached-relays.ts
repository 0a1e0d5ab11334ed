import type { RelaysMessage } from "@asterism/core/control";
import type { WallTime } from "@asterism/core/time";

/** What of an earlier run's relays may still be of use: those whose credentials have not expired, and all STUN servers. */
export function unexpiredRelays(message: RelaysMessage, now: WallTime): RelaysMessage {
  const relays = message.relays.filter(({ expiresAt }) => expiresAt === null || Date.parse(expiresAt) > now);
  return { ...message, relays };
}
