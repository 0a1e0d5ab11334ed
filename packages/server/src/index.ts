export { DEFAULT_LISTEN } from "./listen.ts";
export type { OwnRelay } from "./relays/own-relay.ts";
export { DEFAULT_DATA_DIR, type RunningServer, type ServerOptions, startServer } from "./start-server.ts";
