import { measureTcp } from "../net/iperf.ts";
import type { Bundle } from "./bundle.ts";

export interface Load {
  readonly seconds: number;
  readonly flows?: number;
}

/** TCP payload in Mbit/s from one machine to the other, with cubic. */
export async function transfer(bundle: Bundle, load: Load): Promise<number> {
  const result = await measureTcp(bundle.b, bundle.a, { address: bundle.addressB, congestion: "cubic", ...load });
  return result.bitsPerSecond / 1e6;
}
