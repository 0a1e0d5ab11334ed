import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../test/seeded-random.ts";
import { encodeStun, parseStun, STUN_ATTRIBUTE } from "../stun/index.ts";
import { addMs, type Instant } from "../time.ts";
import { NAT_BEHAVIOURS, NatDiscovery, natTypeOf } from "./index.ts";

const START = 1_000 as Instant;
const SERVERS = ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map((address) => ({ address, port: 3478 }));
const LINKS = [1, 2].map((linkId) => ({
  linkId,
  localAddresses: [
    { address: `192.168.1.${linkId}`, port: 41641 },
    { address: `2001:db8::${linkId}9`, port: 41641 },
  ],
}));

describe("NAT type", () => {
  it("is unknown as long as several names fit", () => {
    expect(natTypeOf(NAT_BEHAVIOURS, NAT_BEHAVIOURS)).toBe("unknown");
    expect(natTypeOf(["address-dependent", "address-and-port-dependent"], NAT_BEHAVIOURS)).toBe("symmetric");
    expect(natTypeOf(["endpoint-independent"], ["endpoint-independent", "address-dependent"])).toBe("unknown");
    expect(natTypeOf(["endpoint-independent"], ["address-and-port-dependent"])).toBe("port-restricted cone");
  });
});

describe("NAT discovery", () => {
  it("runs on every link and IP version, and ends although nobody answers", () => {
    const discovery = new NatDiscovery(seededRandom(1));
    discovery.run(LINKS, SERVERS, START);
    let sent = 0;
    let now = START;
    for (let next = discovery.pollTimeout(); next !== undefined; next = discovery.pollTimeout()) {
      while (discovery.pollTransmit() !== undefined) sent += 1;
      now = next.at;
      discovery.handleTimeout(now);
    }
    // Seven requests to each of two servers by IPv4 and of one by IPv6, on two links.
    expect(sent).toBe(7 * 3 * 2);
    expect(now - START).toBeLessThan(3_000);
    expect(discovery.snapshot().map(({ linkId, family, type, udp }) => ({ linkId, family, type, udp }))).toEqual(
      [
        [1, 4],
        [1, 6],
        [2, 4],
        [2, 6],
      ].map(([linkId, family]) => ({ linkId, family, type: "UDP blocked", udp: false })),
    );
  });

  it("takes an answer only from the server that was asked, on the link that asked", () => {
    const discovery = new NatDiscovery(seededRandom(1));
    discovery.run(LINKS.slice(0, 1), SERVERS.slice(0, 1), START);
    const transactionId = discovery.pollTransmit()!.bytes.slice(8, 20);
    const mapped = { type: STUN_ATTRIBUTE.mappedAddress, value: Uint8Array.of(0, 1, 0, 9, 198, 51, 100, 1) };
    const parsed = parseStun(encodeStun({ class: "success", method: 1, transactionId, attributes: [mapped] }));
    if (!parsed.ok) throw new Error(parsed.reason);
    const from = { linkId: 1, remote: SERVERS[0]!, channel: null };
    expect(discovery.handleMessage(parsed.message, { ...from, linkId: 2 }, START)).toBe(false);
    expect(discovery.handleMessage(parsed.message, { ...from, remote: SERVERS[1]! }, START)).toBe(true);
    expect(discovery.pollEvent()).toBeUndefined();
    discovery.handleMessage(parsed.message, from, addMs(START, 7));
    expect(discovery.pollEvent()).toEqual({
      kind: "mapped",
      linkId: 1,
      server: SERVERS[0],
      mapped: { address: "198.51.100.1", port: 9 },
      rttMs: 7,
    });
  });

  it("ends whatever servers answer, with a bounded number of requests", () => {
    const anyAnswer = fc.record({
      class: fc.constantFrom("success" as const, "error" as const, "request" as const),
      attributes: fc.array(
        fc.record({
          type: fc.constantFrom(0x0001, 0x0020, 0x802c, 0x0009, 0x802b),
          value: fc.oneof(
            fc.uint8Array({ maxLength: 20 }),
            fc.uint8Array({ minLength: 6, maxLength: 6 }).map((tail) => Uint8Array.from([0, 1, ...tail])),
          ),
        }),
        { maxLength: 4 },
      ),
      remote: fc.constantFrom(null, ...SERVERS),
    });
    fc.assert(
      fc.property(fc.infiniteStream(anyAnswer), (answers) => {
        const discovery = new NatDiscovery(seededRandom(1));
        discovery.run(LINKS, SERVERS, START);
        let sent = 0;
        let now = START;
        for (let next = discovery.pollTimeout(); next !== undefined; next = discovery.pollTimeout()) {
          for (let out = discovery.pollTransmit(); out !== undefined; out = discovery.pollTransmit()) {
            sent += 1;
            const { remote, ...content } = answers.next().value;
            const parsed = parseStun(encodeStun({ ...content, method: 1, transactionId: out.bytes.slice(8, 20) }));
            if (!parsed.ok) throw new Error(parsed.reason);
            discovery.handleMessage(parsed.message, { ...out.to, remote: remote ?? out.to.remote }, now);
          }
          now = next.at;
          discovery.handleTimeout(now);
        }
        expect(now - START).toBeLessThan(6_000);
        expect(sent).toBeLessThan(2 * (8 + 8) * 7 + 50);
        expect(discovery.isRunning).toBe(false);
      }),
      { numRuns: 200 },
    );
  });
});
