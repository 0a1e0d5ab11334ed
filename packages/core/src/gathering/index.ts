export { Gatherer, type GathererOptions } from "./gatherer.ts";
export type {
  AllocationSnapshot,
  GatheringEvent,
  GatheringSnapshot,
  ReflexiveFact,
  Relay,
  RelaySnapshot,
  StreamEndpoint,
} from "./gathering-types.ts";
export { readRelays } from "./relay-list.ts";
