export { natTypeOf } from "./classify.ts";
export { NatDiscovery, type NatLink } from "./nat-discovery.ts";
export { summariseNats } from "./nat-summary.ts";
export {
  type MappedSample,
  NAT_BEHAVIOURS,
  type NatBehaviour,
  type NatEvent,
  type NatFacts,
  type NatReport,
  type NatType,
  type PortBlock,
  type PortPattern,
} from "./nat-types.ts";
export { portPattern } from "./port-pattern.ts";
