import { measureUdp } from "../../net/iperf.ts";
import { PLAIN, type Scenario } from "../scenario.ts";

/** Small packets: 64 bytes of UDP payload as fast as the sender can, counted where they arrive. */
export const UDP64: Scenario = {
  metrics: { udp64: { unit: "kpps", better: "higher" } },
  setting: PLAIN,
  async measure(tunnel, seconds) {
    const result = await measureUdp(tunnel.b, tunnel.a, { address: tunnel.addressB, payloadBytes: 64, seconds });
    return { udp64: result.receivedPerSecond / 1e3 };
  },
};
