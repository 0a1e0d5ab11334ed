import { ADDRESS_REST_MS } from "@asterism/core/addresses";
import type { ServerContext } from "./context.ts";
import { removeNode } from "./operations/devices.ts";
import { compactChanges } from "./store/changes.ts";
import { deleteKeysDeadSince } from "./store/credentials.ts";
import { deleteReleasedBefore, listStaleEphemeral, setLastSeen } from "./store/nodes.ts";
import type { StreamHub } from "./streams/hub.ts";

/** Ephemeral devices are removed after this time without a control stream. */
export const EPHEMERAL_OFFLINE_MS = 10 * 60 * 1000;
/** Join keys that can't be used any more are listed this long. */
const DEAD_KEY_KEPT_MS = 30 * 24 * 60 * 60 * 1000;
const INTERVAL_MS = 15_000;

/**
 * Regular clearing away. One round: says when those who are online were last seen (so that a crash does not make them
 * look gone), removes ephemeral devices that stayed away, forgets what is past its time.
 */
export async function keepHouse(context: ServerContext, hub: StreamHub): Promise<void> {
  const now = context.wallNow();
  await setLastSeen(context.db, hub.allOnline(), now);
  // After a start nobody is online yet: everybody gets the whole time to come back.
  const since = now - EPHEMERAL_OFFLINE_MS;
  const stale = context.identity.startedAt > since ? [] : await listStaleEphemeral(context.db, since);
  for (const nodeId of stale) {
    const outcome = await removeNode(context, nodeId, "The ephemeral device was offline for too long.");
    hub.publish(outcome.changes);
    context.log.info({ nodeId }, "ephemeral device removed");
  }
  await deleteReleasedBefore(context.db, now - ADDRESS_REST_MS);
  await deleteKeysDeadSince(context.db, now - DEAD_KEY_KEPT_MS);
  await compactChanges(context.db);
}

/** Runs `keepHouse` every 15 s until the returned function is called. */
export function startHousekeeping(context: ServerContext, hub: StreamHub): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    running = running
      .then(() => keepHouse(context, hub))
      .catch((error: unknown) => context.log.error({ err: error }, "housekeeping failed"));
  }, INTERVAL_MS);
  return async () => {
    clearInterval(timer);
    await running;
  };
}
