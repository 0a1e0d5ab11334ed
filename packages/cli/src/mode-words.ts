import type { ModeInForce } from "@asterism/core/local-api";

/** The mode in force, and who says so: `auto (chosen here)`. */
export function describeMode({ mode, by, chosen }: ModeInForce, peer: string, network: string): string {
  const why = {
    command: "chosen here",
    peer: `chosen by ${peer}`,
    network: `the default of network "${network}"`,
    default: "nothing was chosen",
    incapable: `${peer} understands nothing else${chosen === null ? "" : `; ${chosen} is chosen for when it does`}`,
  };
  return `${mode} (${why[by]})`;
}
