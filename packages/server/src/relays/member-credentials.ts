import { createHmac } from "node:crypto";
import { RELAY_CREDENTIALS_LIFETIME_MS } from "@asterism/core/control";
import type { WallTime } from "@asterism/core/time";
import { makeTurnCredentials } from "@asterism/core/turn";
import type { RelayCredentials } from "../domain/network-relays.ts";
import type { RelayAuth } from "../domain/relay-settings.ts";

const PSEUDONYM_BYTES = 15;

/** What `nodeId` logs in with at a relay, beginning at `wallNow` (milliseconds since 1970). */
export function memberCredentials(auth: RelayAuth, nodeId: string, wallNow: number): RelayCredentials {
  if (auth.kind === "user") return { username: auth.username, password: auth.password, expiresAt: null };
  // Whole seconds: the username says exactly what `expiresAt` says.
  const expiresAt = Math.ceil((wallNow + RELAY_CREDENTIALS_LIFETIME_MS) / 1000) * 1000;
  return {
    ...makeTurnCredentials(auth.secret, pseudonym(auth.secret, nodeId), expiresAt as WallTime),
    expiresAt: new Date(expiresAt).toISOString(),
  };
}

/**
 * Tells a relay's users apart without saying who they are: always the same for one member at one relay, so that quotas
 * hold, and different at relays with different secrets.
 */
function pseudonym(secret: string, nodeId: string): string {
  const digest = createHmac("sha256", secret).update(`asterism relay user v1\n${nodeId}`).digest();
  return digest.subarray(0, PSEUDONYM_BYTES).toString("base64url");
}
