import { AsterismError, fail, ok, type Result } from "../errors/index.ts";

/** Version of the control protocol that this code speaks: REST bodies, stream messages, node records. */
export const PROTOCOL_VERSION = 1;

/** The oldest version that this code can still talk to. */
export const OLDEST_PROTOCOL_VERSION = 1;

/** The version to speak with a side that announces `offered`: the lower of the two, unless that is too old. */
export function agreeOnProtocol(offered: number): Result<number> {
  const version = Math.min(offered, PROTOCOL_VERSION);
  if (version >= OLDEST_PROTOCOL_VERSION) return ok(version);
  return fail(
    new AsterismError(
      "protocol-unsupported",
      `The other side speaks version ${offered} of the control protocol; this one needs at least ${OLDEST_PROTOCOL_VERSION}. Update the older of the two.`,
      { details: { offered, oldest: OLDEST_PROTOCOL_VERSION, newest: PROTOCOL_VERSION } },
    ),
  );
}
