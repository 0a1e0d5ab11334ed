export { parseListenAddress } from "./listen-address.ts";
export { DEFAULT_PORT, DEFAULT_REALM, type ListenAddress, type RelayOptions } from "./options.ts";
export { loadOrCreateSecret } from "./relay-secret.ts";
export { type RelayStatus, type RunningRelay, startRelay } from "./start-relay.ts";
export type { StreamSocket } from "./stream-clients.ts";
export type { RelayCounters, RelayDropReason } from "./turn-server.ts";
