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
} from "./nat-types.ts";
export { learnPorts, type PortSample } from "./port-learner.ts";
export {
  HIGHEST_PORT,
  LOWEST_PORT,
  likelyPortCount,
  middlePort,
  type PortGuess,
  type PortPattern,
  type PortPrediction,
  type PortRange,
  predictPorts,
  type SequentialPattern,
} from "./port-prediction.ts";
export { PortSampler, type SamplerEvent } from "./port-sampler.ts";
export { PortSequence } from "./port-sequence.ts";
