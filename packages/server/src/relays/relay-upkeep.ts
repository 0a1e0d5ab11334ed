import type { ServerContext } from "../context.ts";
import { relayHostsInUse } from "../operations/relays.ts";
import type { StreamHub } from "../streams/hub.ts";

const INTERVAL_MS = 15_000;

/** One round: forgets relays of members that stay away, looks up the names that are due, tells agents of changed addresses, renews credentials past their half. */
export async function keepRelays(context: ServerContext, hub: StreamHub): Promise<void> {
  const networks = context.memberRelays.expire(context.wallNow());
  hub.publish(networks.map((networkId) => ({ kind: "relays", networkId })));
  const changed = await context.relayHosts.refresh(await relayHostsInUse(context));
  hub.updateRelays(changed);
}

/** Runs `keepRelays` at once and every 15 s until the returned function is called. A slow DNS only delays the next. */
export function startRelayUpkeep(context: ServerContext, hub: StreamHub): () => Promise<void> {
  let running: Promise<void> | undefined;
  const run = (): void => {
    running ??= keepRelays(context, hub)
      .catch((error: unknown) => context.log.error({ err: error }, "relay upkeep failed"))
      .finally(() => {
        running = undefined;
      });
  };
  run();
  const timer = setInterval(run, INTERVAL_MS);
  return async () => {
    clearInterval(timer);
    await running;
  };
}
