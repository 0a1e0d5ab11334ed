import fc from "fast-check";
import { expect, test } from "vitest";
import { path } from "../../test/wireguard-node.ts";
import type { PathAddress } from "../net/index.ts";
import type { Instant } from "../time.ts";
import {
  COOKIE_REPLIES_PER_SECOND,
  HANDSHAKES_UNDER_LOAD_PER_SECOND,
  SOURCE_HANDSHAKES_BURST,
  SOURCES_MAX,
  UNDER_LOAD_PER_SECOND,
} from "./constants.ts";
import { HandshakeLoad } from "./handshake-load.ts";

const instant = (ms: number) => ms as Instant;
const v4 = (number: number): PathAddress => ({
  linkId: 0,
  remote: { address: `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`, port: 1 },
  channel: null,
});
const v6 = (address: string, channel: number | null = null): PathAddress => ({
  linkId: 0,
  remote: { address, port: 1 },
  channel,
});

test("load begins above the limit within one second and is held for a second", () => {
  const load = new HandshakeLoad();
  for (let count = 0; count < UNDER_LOAD_PER_SECOND; count++) expect(load.countArrival(instant(count))).toBe(false);
  expect(load.countArrival(instant(999))).toBe(true);
  expect(load.isUnderLoad(instant(1_998))).toBe(true);
  expect(load.isUnderLoad(instant(1_999))).toBe(false);
  expect(load.countArrival(instant(2_500))).toBe(false);
});

test("a steady rate below the limit is never load", () => {
  const load = new HandshakeLoad();
  for (let ms = 0; ms < 10_000; ms += 1_000 / (UNDER_LOAD_PER_SECOND - 1)) {
    expect(load.countArrival(instant(ms))).toBe(false);
  }
});

test("a source gets its burst, then its rate; another source is not touched by that", () => {
  const load = new HandshakeLoad();
  for (let count = 0; count < SOURCE_HANDSHAKES_BURST; count++) expect(load.admit(v4(1), instant(0))).toBe(true);
  expect(load.admit(v4(1), instant(0))).toBe(false);
  expect(load.admit({ ...v4(1), remote: { ...v4(1).remote, port: 9 } }, instant(0))).toBe(false);
  expect(load.admit(v4(2), instant(0))).toBe(true);
  expect(load.admit(v4(1), instant(50))).toBe(true);
  expect(load.admit(v4(1), instant(50))).toBe(false);
});

test("an IPv6 /64 is one source; peers behind one relay are told apart by channel", () => {
  const load = new HandshakeLoad();
  const exhaust = (from: PathAddress) => {
    for (let count = 0; count <= SOURCE_HANDSHAKES_BURST; count++) load.admit(from, instant(0));
  };
  exhaust(v6("2001:db8::1"));
  expect(load.admit(v6("2001:db8:0:0:1::2"), instant(0))).toBe(false);
  expect(load.admit(v6("2001:db8:0:1::2"), instant(0))).toBe(true);
  exhaust(v6("2001:db8:5:5:5:5:5:5", 0x4001));
  expect(load.admit(v6("2001:db8:5:5::", 0x4001), instant(0))).toBe(false);
  expect(load.admit(v6("2001:db8:5:5::", 0x4002), instant(0))).toBe(true);
});

test("all sources together have a ceiling, and so have cookie replies", () => {
  const load = new HandshakeLoad();
  let admitted = 0;
  for (let number = 0; number < 2_000; number++) if (load.admit(v4(number), instant(0))) admitted += 1;
  expect(admitted).toBe(HANDSHAKES_UNDER_LOAD_PER_SECOND);
  expect(load.admit(v4(9_999), instant(1_000))).toBe(true);
  let replies = 0;
  for (let number = 0; number < 3 * COOKIE_REPLIES_PER_SECOND; number++) {
    if (load.admitCookieReply(instant(1_000))) replies += 1;
  }
  expect(replies).toBe(COOKIE_REPLIES_PER_SECOND);
});

test("memory is bounded whatever comes", () => {
  const load = new HandshakeLoad();
  let now = 0;
  for (let number = 0; number < SOURCES_MAX + 500; number++) {
    now += 3;
    load.admit(v4(number), instant(now));
  }
  expect(load.trackedSources).toBe(SOURCES_MAX);
});

test("no history of arrivals lets more than the limit per second and source through", () => {
  const arrival = fc.record({ waitMs: fc.nat(100), source: fc.nat(2) });
  fc.assert(
    fc.property(fc.array(arrival, { maxLength: 300 }), (arrivals) => {
      const load = new HandshakeLoad();
      const admittedAt: number[] = [];
      let now = 0;
      for (const { waitMs, source } of arrivals) {
        now += waitMs;
        if (load.admit(path(source), instant(now)) && source === 0) admittedAt.push(now);
      }
      for (const start of admittedAt) {
        const within = admittedAt.filter((at) => at >= start && at < start + 1_000).length;
        expect(within).toBeLessThanOrEqual(SOURCE_HANDSHAKES_BURST + 20);
      }
    }),
  );
});
