import type { RelayDevice } from "@asterism/engine";

/** What the decisions write into the packet engine. */
export type ForwardingTable = Pick<
  RelayDevice,
  "openAllocation" | "closeAllocation" | "setExpiry" | "setPermission" | "setChannel"
>;
