export { type AdminAccess, AdminClient } from "./admin-client.ts";
export { type ControlHandlers, type ControlSocket, openControlSocket } from "./control-socket.ts";
export { Dialer, type OpenConnection, type ProxyUse } from "./dialer.ts";
export { connectThroughNat64, discoverNat64Prefixes } from "./nat64-lookup.ts";
export { type ConnectOptions, connectPinned, type PinnedServer } from "./pinned-connection.ts";
export { chooseProxies, type ProxyChoice } from "./proxy-choice.ts";
export { type JoinOptions, ServerClient } from "./server-client.ts";
