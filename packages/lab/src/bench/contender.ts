import type { Lab } from "../net/lab.ts";
import type { Setting, Tunnel } from "./scenario.ts";

export type Availability =
  | { readonly available: true; readonly version: string }
  | { readonly available: false; readonly reason: string };

/** A data plane that is compared. */
export interface Contender {
  readonly name: string;
  /** Finds or fetches what it needs; called once. */
  prepare(): Promise<Availability>;
  /** Sets up a fresh tunnel between two fresh machines; the lab's end takes everything down. */
  open(lab: Lab, setting: Setting): Promise<Tunnel>;
}
