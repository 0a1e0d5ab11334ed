/**
 * Fills Node's compile cache with what the agent and the server load, so that no later start strips types or compiles
 * again: a start takes half the time and an agent 30 MB less memory. Run once by bin/asterism after an installation.
 */
import { flushCompileCache } from "node:module";

await Promise.all([
  import("@asterism/agent"),
  import("@asterism/server"),
  import("./commands/agent.ts"),
  import("./commands/join.ts"),
  import("./commands/membership.ts"),
  import("./commands/explain.ts"),
  import("./commands/netcheck.ts"),
  import("./commands/ping.ts"),
  import("./commands/peers.ts"),
  import("./commands/server.ts"),
  import("./commands/status.ts"),
  import("./commands/admin/admin.ts"),
]);
flushCompileCache();
