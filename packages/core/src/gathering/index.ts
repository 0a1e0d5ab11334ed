export { Gatherer, type GathererOptions } from "./gatherer.ts";
export type {
  AllocationSnapshot,
  GatheringEvent,
  GatheringSnapshot,
  ReflexiveFact,
  Relay,
  RelaySnapshot,
} from "./gathering-types.ts";
export { readRelays } from "./relay-list.ts";
