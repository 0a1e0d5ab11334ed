import { quantile } from "../../net/ping.ts";
import { PLAIN, type Scenario } from "../scenario.ts";

const COUNT = 500;
const INTERVAL_MS = 2;

/** Round trip time of an otherwise idle tunnel. */
export const IDLE_PING: Scenario = {
  metrics: { pingP50: { unit: "µs", better: "lower" }, pingP99: { unit: "µs", better: "lower" } },
  setting: PLAIN,
  async measure(tunnel) {
    const { rttsMs } = await tunnel.a.ping(tunnel.addressB, { count: COUNT, intervalMs: INTERVAL_MS });
    return { pingP50: quantile(rttsMs, 0.5) * 1e3, pingP99: quantile(rttsMs, 0.99) * 1e3 };
  },
};
