import { describe, expect, it } from "vitest";
import { seededRandom } from "../../test/seeded-random.ts";
import type { UdpAddress } from "../net/index.ts";
import { encodeStun, parseStun, STUN_ATTRIBUTE, type StunMessage } from "../stun/index.ts";
import { addMs, type Instant } from "../time.ts";
import { PortSampler } from "./port-sampler.ts";

const START = 1_000 as Instant;
const SERVERS: UdpAddress[] = [
  { address: "192.0.2.1", port: 3478 },
  { address: "192.0.2.1", port: 3479 },
];

function answerTo(request: Uint8Array, mappedPort: number): StunMessage {
  const value = Uint8Array.of(0, 1, mappedPort >> 8, mappedPort & 0xff, 198, 51, 100, 1);
  const attributes = [{ type: STUN_ATTRIBUTE.mappedAddress, value }];
  const transactionId = request.slice(8, 20);
  const parsed = parseStun(encodeStun({ class: "success", method: 1, transactionId, attributes }));
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
}

/** Drives a sampler until it rests. Sockets are links from 100 on; `answer` gives the mapped port, or silence. */
function drive(sampler: PortSampler, answer: (socket: number, to: UdpAddress) => number | undefined) {
  const seen = { opened: 0, closed: 0, requests: 0, endedAt: START };
  const open = (now: Instant): void => {
    for (let event = sampler.pollEvent(); event !== undefined; event = sampler.pollEvent()) {
      if (event.kind === "socket-unwanted") seen.closed += 1;
      else sampler.handleSocketOpened(100 + seen.opened++, now);
    }
  };
  const send = (now: Instant): void => {
    for (let out = sampler.pollTransmit(); out !== undefined; out = sampler.pollTransmit()) {
      seen.requests += 1;
      const port = answer(out.to.linkId, out.to.remote);
      if (port !== undefined) sampler.handleMessage(answerTo(out.bytes, port), out.to);
    }
    open(now);
  };
  open(START);
  send(START);
  for (let next = sampler.pollTimeout(); next !== undefined; next = sampler.pollTimeout()) {
    seen.endedAt = next;
    sampler.handleTimeout(next);
    open(next);
    send(next);
  }
  return seen;
}

describe("samples of ports", () => {
  it("come from fresh sockets, one after the other, each closed again", () => {
    const sampler = new PortSampler(seededRandom(1));
    sampler.begin(1, SERVERS, 8, START);
    expect(sampler.isRunning).toBe(true);
    const seen = drive(sampler, (socket) => 5_000 + socket);
    expect(seen).toMatchObject({ opened: 8, closed: 8, requests: 8 });
    expect(seen.endedAt - START).toBeLessThan(200);
    expect(sampler.isRunning).toBe(false);
    const samples = sampler.samples(1);
    expect(samples.map(({ mapped }) => mapped.port)).toEqual([5100, 5101, 5102, 5103, 5104, 5105, 5106, 5107]);
    expect(samples.every(({ at }, index) => index === 0 || at > samples[index - 1]!.at)).toBe(true);
  });

  it("are not taken again at once, and never without end", () => {
    const sampler = new PortSampler(seededRandom(1));
    let opened = 0;
    for (let ms = 0; ms < 3_000; ms += 100) {
      sampler.begin(1, SERVERS, 1_000, addMs(START, ms));
      for (let event = sampler.pollEvent(); event !== undefined; event = sampler.pollEvent()) {
        if (event.kind === "socket-wanted") sampler.handleSocketOpened(100 + opened++, addMs(START, ms));
      }
      sampler.handleTimeout(addMs(START, ms));
    }
    expect(opened).toBeLessThanOrEqual(24);
    for (let run = 1; run < 10; run++) {
      sampler.begin(1, SERVERS, 24, addMs(START, run * 60_000));
      drive(sampler, () => 7_000 + run);
    }
    expect(sampler.samples(1).length).toBeLessThanOrEqual(48);
  });

  it("end when servers are silent or no socket can be opened", () => {
    const sampler = new PortSampler(seededRandom(1));
    sampler.begin(1, SERVERS, 8, START);
    const seen = drive(sampler, () => undefined);
    expect(seen).toMatchObject({ opened: 8, closed: 8 });
    expect(seen.endedAt - START).toBeLessThan(3_000);
    sampler.begin(2, SERVERS, 8, START);
    expect(sampler.pollEvent()).toEqual({ kind: "socket-wanted", like: 2 });
    sampler.handleSocketOpened(undefined, START);
    expect(sampler.pollTimeout()).toBeUndefined();
    expect(sampler.isRunning).toBe(false);
  });

  it("of a link that is gone are forgotten, and its sockets closed", () => {
    const sampler = new PortSampler(seededRandom(1));
    sampler.begin(1, SERVERS, 2, START);
    sampler.pollEvent();
    sampler.handleSocketOpened(100, START);
    sampler.handleTimeout(addMs(START, 20));
    sampler.pollEvent();
    sampler.forget(1);
    expect(sampler.pollEvent()).toEqual({ kind: "socket-unwanted", linkId: 100 });
    // The one that was being opened meanwhile is closed as well.
    sampler.handleSocketOpened(101, addMs(START, 21));
    expect(sampler.pollEvent()).toEqual({ kind: "socket-unwanted", linkId: 101 });
    expect(sampler.isRunning).toBe(false);
  });
});
