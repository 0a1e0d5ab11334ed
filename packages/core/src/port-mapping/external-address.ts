import { classifyAddress } from "../paths/index.ts";
import type { PortMappingProblem } from "./port-mapping-types.ts";

export const NOT_CONNECTED: PortMappingProblem = {
  code: "not-connected",
  text: "the router says that it has no public address: it is not connected, or it is itself behind a NAT",
};

/** Null if others can send to the address: only a public one. */
export function judgeExternal(address: string): PortMappingProblem | null {
  switch (classifyAddress(address)) {
    case "global":
      return null;
    case "unspecified":
    case "invalid":
      return NOT_CONNECTED;
    default:
      return {
        code: "behind-nat",
        text: `the router is itself behind a NAT: its own address outside is ${address}, which nobody else can reach`,
      };
  }
}
