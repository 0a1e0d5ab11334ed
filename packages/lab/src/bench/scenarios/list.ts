import type { Scenario } from "../scenario.ts";
import { IDLE_PING } from "./idle-ping.ts";
import { PEAK_MEMORY } from "./peak-memory.ts";
import { TCP_SCENARIOS } from "./tcp.ts";
import { UDP64 } from "./udp64.ts";

/** In the order of the table and of each run. */
export const SCENARIOS: readonly Scenario[] = [IDLE_PING, ...TCP_SCENARIOS, UDP64, PEAK_MEMORY];
