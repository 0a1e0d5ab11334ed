export { DEFAULT_LISTEN } from "./listen.ts";
export { DEFAULT_DATA_DIR, type RunningServer, type ServerOptions, startServer } from "./start-server.ts";
