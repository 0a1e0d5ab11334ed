export { PCP_NONCE_BYTES } from "./pcp.ts";
export { PortMapper, type PortMapperOptions } from "./port-mapper.ts";
export type {
  GatewayPlace,
  LinkPortMapping,
  PortMapperEvent,
  PortMappingProblem,
  PortMappingProblemCode,
  PortMappingProtocol,
  PortMappingState,
  UpnpTarget,
} from "./port-mapping-types.ts";
