import { describe, expect, test } from "vitest";
import { ethtoolFeatures, faultsOf, linkBoxSettings, needsLinkBox, tbfArguments } from "./link-options.ts";

describe("link options", () => {
  test("only what the kernel can't do needs the link box", () => {
    expect(needsLinkBox({})).toBe(false);
    expect(needsLinkBox({ rateMbit: 10, mtuBytes: 1_280, delayMs: 0 })).toBe(false);
    expect(needsLinkBox({ kind: "box" })).toBe(true);
    for (const fault of ["delayMs", "jitterMs", "lossRatio", "reorderRatio", "duplicateRatio", "corruptRatio"]) {
      expect(needsLinkBox({ [fault]: 0.1 })).toBe(true);
      expect(needsLinkBox({ down: { [fault]: 0.1 } })).toBe(true);
    }
  });

  test("a direction overrides what is said of both", () => {
    const options = { rateMbit: 10, delayMs: 5, up: { rateMbit: 2 } };
    expect(faultsOf(options, "up")).toMatchObject({ rateMbit: 2, delayMs: 5 });
    expect(faultsOf(options, "down")).toMatchObject({ rateMbit: 10, delayMs: 5 });
  });

  test("the box is told bits, microseconds and the queue in bytes", () => {
    expect(linkBoxSettings({ rateMbit: 20, delayMs: 10, lossRatio: 0.01 })).toBe(
      "rate_bps=20000000 queue_bytes=125000 delay_us=10000 jitter_us=0 loss=0.01 loss_burst=1 reorder=0 " +
        "reorder_us=5000 duplicate=0 corrupt=0",
    );
    expect(linkBoxSettings({ rateMbit: 20, queueMs: 10 })).toContain("queue_bytes=25000 ");
  });

  test("tbf gets a bucket of 4 ms but never less than some packets", () => {
    expect(tbfArguments({ rateMbit: 1_000 })).toBe("tbf rate 1000000kbit burst 500000 latency 50ms");
    expect(tbfArguments({ rateMbit: 0.5, queueMs: 20 })).toBe("tbf rate 500kbit burst 16384 latency 20ms");
  });

  test("unnamed offloads stay as the kernel has them", () => {
    expect(ethtoolFeatures({})).toEqual([]);
    expect(ethtoolFeatures({ udpSegmentation: false, udpGroForwarding: true })).toEqual([
      "tx-udp-segmentation",
      "off",
      "rx-udp-gro-forwarding",
      "on",
    ]);
  });
});
