import type { Contender } from "../contender.ts";
import { outerPair } from "../outer-pair.ts";

/** The bare cable: what the machine can do without any tunnel. */
export const RAW: Contender = {
  name: "raw",
  prepare: () => Promise.resolve({ available: true, version: "veth" }),
  async open(lab, setting) {
    const { a, b, outerA, outerB, ipv6A, ipv6B } = await outerPair(lab, setting);
    return {
      a,
      b,
      addressA: outerA,
      addressB: outerB,
      ipv6A,
      ipv6B,
      processGroups: [],
      close: () => Promise.resolve(),
    };
  },
};
