import { AsterismError } from "@asterism/core/errors";

/** What decides whether a join key works. Times in milliseconds since 1970. */
export interface KeyFacts {
  readonly id: string;
  readonly reusable: boolean;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly usedByMachine: string | null;
}

/** The machine that shows the key, and the key by which it became a member, if it is one. */
export interface KeyBearer {
  readonly machineKey: string | undefined;
  readonly memberByKey: string | undefined;
}

export function unknownKey(): AsterismError<"join-key-unknown"> {
  return new AsterismError(
    "join-key-unknown",
    "The server does not know this join key. Make a new one there: asterism admin key create",
  );
}

export type KeyState = "valid" | "used" | "expired" | "revoked";

export function keyState(key: KeyFacts, now: number): KeyState {
  if (key.revokedAt !== null) return "revoked";
  if (!key.reusable && key.usedByMachine !== null) return "used";
  return key.expiresAt !== null && key.expiresAt <= now ? "expired" : "valid";
}

/**
 * Says why a key is refused; undefined if it works. A member that shows the very key it joined with repeats a request
 * whose answer was lost: that works as long as it is a member, also when the key has expired since.
 */
export function keyProblem(key: KeyFacts, bearer: KeyBearer, now: number): AsterismError | undefined {
  const repeats = bearer.memberByKey === key.id && (key.reusable || key.usedByMachine === bearer.machineKey);
  switch (keyState(key, now)) {
    case "valid":
      return undefined;
    case "revoked":
      return new AsterismError(
        "join-key-unknown",
        "This join key was revoked. Make a new one: asterism admin key create",
      );
    case "used":
      if (repeats) return undefined;
      return new AsterismError(
        "join-key-used",
        "This join key was for one machine and has been used. Make another: asterism admin key create (with --reusable for several machines)",
      );
    case "expired":
      if (repeats) return undefined;
      return new AsterismError(
        "join-key-expired",
        `This join key expired at ${new Date(key.expiresAt ?? 0).toISOString()}. Make a new one: asterism admin key create`,
        { details: { expiredAt: new Date(key.expiresAt ?? 0).toISOString() } },
      );
  }
}
