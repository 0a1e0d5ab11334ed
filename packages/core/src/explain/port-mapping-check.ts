import type { PortMappingCheck } from "../local-api/index.ts";
import { formatUdpAddress } from "../net/index.ts";
import type { NetcheckFacts } from "./netcheck-report.ts";

/** Of the link whose mapping is of use, else of the first one. */
export function portMappingCheck({
  gathering: { portMappings },
  at,
  now,
}: Pick<NetcheckFacts, "gathering" | "at" | "now">): PortMappingCheck | null {
  const mapping = portMappings.find(({ problem }) => problem === null) ?? portMappings[0];
  if (mapping === undefined) return null;
  const { protocol, external, expiresAt, problem } = mapping;
  return {
    protocol,
    external: external === null ? null : formatUdpAddress(external),
    expiresAt: expiresAt === null ? null : new Date(at + Math.round(expiresAt - now)).toISOString(),
    problem: problem === null ? null : { case: problem.code, text: problem.text },
  };
}
