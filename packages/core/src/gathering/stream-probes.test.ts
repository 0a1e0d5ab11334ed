import { describe, expect, it } from "vitest";
import { parseStun } from "../stun/index.ts";
import type { Instant } from "../time.ts";
import type { Relay } from "./gathering-types.ts";
import { StreamProbes } from "./stream-probes.ts";

function relay(number: number): Relay {
  const address = { address: `198.51.100.${number}`, port: 443 };
  const endpoint = { transport: "tls" as const, address, serverName: null, fingerprint: null };
  return { id: `r${number}`, name: `r${number}`, udp: [], streams: [endpoint], username: "u", password: "p" };
}

function bench() {
  let streams = 0;
  const probes = new StreamProbes(
    (sizeBytes) => new Uint8Array(sizeBytes).fill(++streams),
    () => ++streams,
  );
  const events = (): string[] => {
    const texts: string[] = [];
    for (let event = probes.pollEvent(); event !== undefined; event = probes.pollEvent()) {
      if (event.kind === "open-stream") texts.push(`open ${event.streamId}`);
      if (event.kind === "close-stream") texts.push(`close ${event.streamId} link ${event.linkId}`);
    }
    return texts;
  };
  /** Answers what has been asked. */
  const answer = (now: number): boolean => {
    const sent = probes.pollTransmit();
    const parsed = sent && parseStun(sent.bytes);
    return parsed?.ok === true && probes.handleMessage(parsed.message, sent!.to, now as Instant);
  };
  return { probes, events, answer };
}

describe("probes by stream", () => {
  it("ask twice, take the shorter round trip, and close the stream", () => {
    const { probes, events, answer } = bench();
    probes.run([relay(1)], 0 as Instant);
    expect(events()).toEqual(["open 1"]);
    expect(probes.handleOpened(1, 50, 100 as Instant)).toBe(true);
    expect([answer(180), probes.rttMs("r1")]).toEqual([true, 80]);
    expect([answer(220), probes.rttMs("r1"), events()]).toEqual([true, 40, ["close 1 link 50"]]);
    expect(probes.pollTimeout()).toBeUndefined();
  });

  it("are not for streams and answers of others", () => {
    const { probes, answer } = bench();
    probes.run([relay(1)], 0 as Instant);
    expect([probes.handleOpened(99, 1, 1 as Instant), probes.handleClosed(99, 1 as Instant)]).toEqual([false, false]);
    probes.handleOpened(1, 50, 100 as Instant);
    const sent = probes.pollTransmit()!;
    const { message } = parseStun(sent.bytes) as Extract<ReturnType<typeof parseStun>, { ok: true }>;
    expect(probes.handleMessage(message, { ...sent.to, linkId: 51 }, 101 as Instant)).toBe(false);
    expect(probes.handleMessage({ ...message, transactionId: new Uint8Array(12) }, sent.to, 101 as Instant)).toBe(
      false,
    );
    expect(answer(102)).toBe(false);
  });

  it("give up a relay that does not open or answer, and ask again minutes later", () => {
    const { probes, events } = bench();
    probes.run([relay(1), relay(2)], 0 as Instant);
    expect(events()).toEqual(["open 1", "open 2"]);
    probes.handleOpened(2, 50, 10 as Instant);
    expect(probes.pollTimeout()).toBe(5_000);
    probes.handleTimeout(5_000 as Instant);
    expect(events()).toEqual(["close 1 link null", "close 2 link 50"]);
    probes.run([relay(1)], 100_000 as Instant);
    expect(events()).toEqual([]);
    probes.run([relay(1)], 300_000 as Instant);
    expect(events()).toHaveLength(1);
  });

  it("are forgotten with the network", () => {
    const { probes, events, answer } = bench();
    probes.run([relay(1), relay(2)], 0 as Instant);
    probes.handleOpened(1, 50, 10 as Instant);
    answer(30);
    probes.forget();
    expect([probes.rttMs("r1"), events().filter((text) => text.startsWith("close")).length]).toEqual([null, 2]);
    probes.run([relay(1)], 40 as Instant);
    expect(events()).toHaveLength(1);
  });
});
