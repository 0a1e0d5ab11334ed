import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TestRelay } from "../../test/turn-relay.ts";
import { RELAY_ADDRESS, relayCredentials, TurnSimulation } from "../../test/turn-simulation.ts";
import { encodeStun, encodeXorAddress, STUN_ATTRIBUTE, type StunToEncode } from "../stun/index.ts";
import type { Instant } from "../time.ts";
import { encodeChannelData, TURN_ATTRIBUTE, TURN_METHOD, TurnClient } from "./index.ts";

const PEER = { address: "192.0.2.7", port: 41641 };
const FROM_RELAY = { linkId: 1, remote: RELAY_ADDRESS, channel: null };

/** A client that has its allocation, with what it took. */
function allocated(options: ConstructorParameters<typeof TurnSimulation>[0] = {}): TurnSimulation {
  const simulation = new TurnSimulation(options);
  simulation.act((client, now) => client.start(now));
  simulation.run(1_000);
  expect(simulation.client.snapshot().state).toBe("allocated");
  return simulation;
}

const KINDS = [
  { name: "SHA-1", relay: () => new TestRelay() },
  { name: "SHA-256", relay: () => new TestRelay({ passwordAlgorithms: true }) },
];

describe("allocation", () => {
  it.each(KINDS)("takes two round trips with $name", ({ relay }) => {
    const simulation = allocated({ relay: relay() });
    expect(simulation.events).toEqual([
      {
        kind: "allocated",
        atMs: 40,
        relayedAddresses: [{ address: "203.0.113.5", port: 50_000 }],
        mappedAddress: simulation.clientAddress,
        lifetimeSeconds: 600,
        server: RELAY_ADDRESS,
      },
    ]);
    expect(simulation.client.snapshot().rttMs).toBe(20);
  });

  it("is kept for hours, through every nonce that expires, without a word", () => {
    const relay = new TestRelay();
    relay.nonceLifetimeMs = 100_000;
    const simulation = allocated({ relay });
    simulation.act((client, now) => client.bindChannel(PEER, now));
    for (let minute = 0; minute < 180; minute++) {
      simulation.run(60_000);
      const allocation = [...relay.allocations.values()][0];
      expect(allocation?.permissions.get(PEER.address)).toBeGreaterThan(simulation.now);
      expect(allocation?.channels.get(0x4000)?.until).toBeGreaterThan(simulation.now);
    }
    expect(simulation.kinds()).toEqual(["allocated", "channel-bound"]);
  });

  it.each([0.1, 0.2, 0.3])("comes about and stays with %f loss each way and reordering", (lossRatio) => {
    for (let seed = 1; seed <= 10; seed++) {
      const simulation = new TurnSimulation({ seed, lossRatio, jitterMs: 150 });
      simulation.act((client, now) => client.start(now));
      simulation.act((client, now) => client.bindChannel(PEER, now));
      simulation.run(60_000);
      expect(simulation.client.snapshot()).toMatchObject({ state: "allocated", peers: [{ channel: 0x4000 }] });
      simulation.run(1_200_000);
      expect(simulation.client.snapshot().state).toBe("allocated");
    }
  });

  it("has addresses of both families if the relay has", () => {
    const both = allocated({ families: [4, 6] });
    expect(both.client.snapshot().relayedAddresses.map(({ address }) => address)).toEqual([
      "203.0.113.5",
      "2001:db8::5",
    ]);
    const onlyIpv4 = allocated({ families: [4, 6], relay: new TestRelay({ families: [4] }) });
    expect(onlyIpv4.client.snapshot().relayedAddresses.map(({ address }) => address)).toEqual(["203.0.113.5"]);
    const ipv6 = allocated({ families: [6] });
    expect(ipv6.client.snapshot().relayedAddresses.map(({ address }) => address)).toEqual(["2001:db8::5"]);
  });

  it("is refused for a family that the relay lacks", () => {
    const simulation = new TurnSimulation({ families: [6], relay: new TestRelay({ families: [4] }) });
    simulation.act((client, now) => client.start(now));
    simulation.run(500);
    expect(simulation.events).toMatchObject([{ kind: "failed", reason: "family-not-supported", code: 440 }]);
  });

  it("takes the place of one that an earlier run left behind at the same address and port", () => {
    const relay = new TestRelay();
    allocated({ relay, seed: 2 });
    const simulation = allocated({ relay });
    expect(simulation.kinds()).toEqual(["allocated"]);
    expect(simulation.client.snapshot().relayedAddresses).toEqual([{ address: "203.0.113.5", port: 50_001 }]);
  });

  it("of another user at the same address and port is left alone", () => {
    const relay = new TestRelay();
    allocated({ relay, credentials: relayCredentials("bob"), seed: 2 });
    const simulation = new TurnSimulation({ relay });
    simulation.act((client, now) => client.start(now));
    simulation.run(400);
    expect(simulation.kinds()).toEqual(["failed: allocation-mismatch"]);
    expect(relay.allocations.size).toBe(1);
  });

  it("is given back at the end", () => {
    const simulation = allocated();
    simulation.act((client, now) => client.close(now));
    simulation.run(1_000);
    expect(simulation.relay.allocations.size).toBe(0);
    expect(simulation.kinds()).toEqual(["allocated", "closed"]);
    expect(simulation.client.pollTimeout()).toBeUndefined();
  });

  it("is given back even if it is only being asked for", () => {
    const simulation = new TurnSimulation();
    simulation.act((client, now) => client.start(now));
    simulation.run(35);
    expect(simulation.relay.allocations.size).toBe(1);
    simulation.act((client, now) => client.close(now));
    simulation.run(1_000);
    expect(simulation.relay.allocations.size).toBe(0);
    expect(simulation.kinds()).toEqual(["closed"]);
  });

  it("that can't be given back ends all the same", () => {
    const simulation = allocated();
    simulation.isCut = true;
    simulation.act((client, now) => client.close(now));
    simulation.run(10_000);
    expect(simulation.kinds()).toEqual(["allocated", "closed"]);
  });
});

describe("failures", () => {
  it("a silent relay is given up and tried again, further and further apart", () => {
    const simulation = new TurnSimulation();
    simulation.isCut = true;
    simulation.act((client, now) => client.start(now));
    simulation.run(600_000);
    const times = simulation.events.map(({ atMs }) => atMs);
    expect(simulation.kinds().every((kind) => kind === "failed: relay-silent")).toBe(true);
    expect(times[0]).toBe(7_800);
    expect(times.length).toBeGreaterThan(8);
    expect(times.length).toBeLessThan(20);
    simulation.isCut = false;
    simulation.run(70_000);
    expect(simulation.kinds().at(-1)).toBe("allocated");
  });

  it("a relay that dies is noticed within half a minute, and its return too", () => {
    const simulation = allocated();
    simulation.run(120_000);
    simulation.isCut = true;
    simulation.run(24_000);
    expect(simulation.kinds().slice(0, 2)).toEqual(["allocated", "failed: relay-silent"]);
    simulation.run(120_000);
    simulation.isCut = false;
    simulation.run(70_000);
    expect(simulation.kinds().at(-1)).toBe("allocated");
  });

  it("a relay that restarts is noticed within 16 s, and channels come back with their numbers", () => {
    const simulation = allocated();
    simulation.act((client, now) => client.bindChannel(PEER, now));
    simulation.act((client, now) => client.permit("192.0.2.8", now));
    simulation.run(120_000);
    simulation.events.length = 0;
    simulation.relay.restart();
    simulation.run(16_000);
    expect(simulation.kinds()).toEqual(["failed: allocation-lost", "allocated", "channel-bound", "permitted"]);
    expect(simulation.events[2]).toMatchObject({ peer: PEER, channel: 0x4000 });
    const lost = simulation.events[0]!;
    expect(simulation.events[3]!.atMs - lost.atMs).toBeLessThanOrEqual(100);
  });

  it("a new address of ours on the way to the relay is noticed", () => {
    const simulation = allocated();
    simulation.run(120_000);
    simulation.clientAddress = { address: "198.51.100.10", port: 1_024 };
    simulation.run(25_000);
    expect(simulation.client.snapshot().mappedAddress).toEqual({ address: "198.51.100.10", port: 1_024 });
  });

  it("after a sleep the relay is asked at once", () => {
    const simulation = allocated();
    simulation.run(120_001);
    simulation.relay.restart();
    simulation.act((client, now) => client.handleResume(now));
    simulation.run(200);
    expect(simulation.kinds()).toEqual(["allocated", "failed: allocation-lost", "allocated"]);
  });

  it("a relay that forgets everything again and again is not asked in a tight loop", () => {
    const simulation = allocated();
    simulation.act((client, now) => client.bindChannel(PEER, now));
    for (let i = 0; i < 6_000; i++) {
      simulation.relay.allocations.clear();
      simulation.run(10);
    }
    expect(simulation.relay.seen.length).toBeLessThan(200);
  });

  it("wrong credentials are not tried again until there are others", () => {
    const simulation = new TurnSimulation({ credentials: { username: "1900000000:alice", password: "wrong" } });
    simulation.act((client, now) => client.start(now));
    simulation.run(3_600_000);
    expect(simulation.events).toMatchObject([
      { kind: "failed", reason: "credentials-refused", code: 401, retryAt: null },
    ]);
    expect(simulation.relay.seen).toHaveLength(3);
    simulation.act((client, now) => client.setCredentials(relayCredentials("alice"), now));
    simulation.run(100);
    expect(simulation.client.snapshot().state).toBe("allocated");
  });

  it("credentials that expire are replaced by the newer ones, with a new allocation", () => {
    const simulation = allocated({ credentials: relayCredentials("alice", 100_000) });
    simulation.run(60_000);
    simulation.act((client, now) => client.setCredentials(relayCredentials("alice", 900_000), now));
    simulation.run(10_000);
    expect(simulation.kinds()).toEqual(["allocated"]);
    simulation.run(50_000);
    // The former allocation, which is the former user's, is in the way until it runs out.
    simulation.run(700_000);
    expect(simulation.client.snapshot().state).toBe("allocated");
  });

  it("a quota is waited for", () => {
    const relay = new TestRelay();
    relay.quota = 0;
    const simulation = new TurnSimulation({ relay });
    simulation.act((client, now) => client.start(now));
    simulation.run(14_000);
    expect(simulation.events).toMatchObject([{ kind: "failed", reason: "quota-reached", code: 486, retryAt: 16_040 }]);
    relay.quota = 1;
    simulation.run(2_000);
    expect(simulation.client.snapshot().state).toBe("allocated");
  });

  it("a redirect is followed, a circle of them is not", () => {
    const relay = new TestRelay();
    relay.alternate = { address: "203.0.113.6", port: 3478 };
    const simulation = new TurnSimulation({ relay });
    simulation.act((client, now) => client.start(now));
    simulation.run(25);
    expect(simulation.client.snapshot().server).toEqual(relay.alternate);
    relay.alternate = undefined;
    simulation.run(100);
    expect(simulation.events).toMatchObject([{ kind: "allocated", server: { address: "203.0.113.6", port: 3478 } }]);

    const circle = new TestRelay();
    circle.alternate = RELAY_ADDRESS;
    const lost = new TurnSimulation({ relay: circle });
    lost.act((client, now) => client.start(now));
    lost.run(100);
    expect(lost.kinds()).toEqual(["failed: too-many-redirects"]);
  });
});

describe("peers", () => {
  it("get channels in turn, which are theirs for as long as they are wanted", () => {
    const simulation = allocated();
    const channels: (number | undefined)[] = [];
    simulation.act((client, now) => {
      for (let port = 1; port <= 40; port++) channels.push(client.bindChannel({ ...PEER, port }, now));
    });
    simulation.run(1_000);
    expect(channels).toEqual(Array.from({ length: 40 }, (_, index) => 0x4000 + index));
    expect(simulation.kinds().filter((kind) => kind === "channel-bound")).toHaveLength(40);
    expect(simulation.client.bindChannel({ ...PEER, port: 7 }, simulation.now)).toBe(0x4006);
  });

  it("may be bound before there is an allocation", () => {
    const simulation = new TurnSimulation();
    simulation.act((client, now) => expect(client.bindChannel(PEER, now)).toBe(0x4000));
    simulation.act((client, now) => client.start(now));
    simulation.run(100);
    expect(simulation.kinds()).toEqual(["allocated", "channel-bound"]);
    expect(simulation.events[1]?.atMs).toBe(60);
  });

  it("that are released give their number to nobody else while the relay may know it", () => {
    const simulation = allocated();
    simulation.act((client, now) => client.bindChannel(PEER, now));
    simulation.run(100);
    simulation.act((client, now) => client.releaseChannel(PEER, now));
    const channels = new Set<number | undefined>();
    simulation.act((client, now) => {
      for (let port = 1; port <= 1_024; port++) channels.add(client.bindChannel({ address: "192.0.2.9", port }, now));
    });
    expect(channels.has(0x4000)).toBe(false);
    expect(simulation.client.bindChannel(PEER, simulation.now)).toBeUndefined();
    simulation.act((client, now) => client.releaseChannel({ address: "192.0.2.9", port: 1 }, now));
    expect(simulation.client.bindChannel(PEER, simulation.now)).toBe(0x4000);
  });

  it("that the relay forbids are refused until they are asked for again", () => {
    const simulation = allocated();
    simulation.relay.forbidden.add(PEER.address);
    simulation.act((client, now) => client.bindChannel(PEER, now));
    simulation.run(1_000_000);
    expect(simulation.kinds()).toEqual(["allocated", "peer-refused"]);
    simulation.relay.forbidden.clear();
    simulation.act((client, now) => client.bindChannel(PEER, now));
    simulation.run(100);
    expect(simulation.kinds().at(-1)).toBe("channel-bound");
  });

  it("of a family without a relayed address are refused here", () => {
    const simulation = allocated();
    simulation.act((client, now) => client.bindChannel({ address: "2001:db8::9", port: 1 }, now));
    expect(simulation.events.at(-1)).toMatchObject({ kind: "peer-refused", code: 443 });
  });

  it("are heard in Data indications and in channels, others are not", () => {
    const simulation = allocated();
    simulation.act((client, now) => client.bindChannel(PEER, now));
    simulation.run(100);
    const indication = (address: string): Uint8Array => {
      const transactionId = new Uint8Array(12);
      const peer = encodeXorAddress({ address, port: 9 }, transactionId);
      return encodeStun({
        class: "indication",
        method: TURN_METHOD.data,
        transactionId,
        attributes: [
          { type: TURN_ATTRIBUTE.xorPeerAddress, value: peer },
          { type: TURN_ATTRIBUTE.data, value: Uint8Array.of(1, 2) },
        ],
      });
    };
    const receive = (bytes: Uint8Array): unknown => {
      const reason = simulation.client.handleDatagram(bytes, FROM_RELAY, simulation.now);
      return reason ?? simulation.client.pollEvent();
    };
    const data = Uint8Array.of(1, 2);
    expect(receive(indication(PEER.address))).toEqual({
      kind: "data",
      peer: { address: PEER.address, port: 9 },
      channel: null,
      bytes: data,
    });
    expect(receive(encodeChannelData({ channel: 0x4000, data }, "bare"))).toEqual({
      kind: "data",
      peer: PEER,
      channel: 0x4000,
      bytes: data,
    });
    expect(receive(indication("192.0.2.99"))).toBe("turn-peer-unknown");
    expect(receive(encodeChannelData({ channel: 0x4001, data }, "bare"))).toBe("turn-channel-unknown");
    const elsewhere = { ...FROM_RELAY, remote: PEER };
    expect(simulation.client.handleDatagram(indication(PEER.address), elsewhere, simulation.now)).toBe(
      "turn-not-from-relay",
    );
    expect(simulation.client.snapshot().drops).toEqual({
      "turn-peer-unknown": 1,
      "turn-channel-unknown": 1,
      "turn-not-from-relay": 1,
    });
  });
});

describe("stream", () => {
  it("carries the same, once it is open", () => {
    const simulation = allocated({ transport: "stream" });
    simulation.act((client, now) => client.bindChannel(PEER, now));
    simulation.run(3_600_000);
    expect(simulation.kinds()).toEqual(["connect", "allocated", "channel-bound"]);
    const bytes = encodeChannelData({ channel: 0x4000, data: Uint8Array.of(5) }, "padded");
    simulation.act((client, now) => client.handleStream(bytes.subarray(0, 3), now));
    simulation.act((client, now) => client.handleStream(bytes.subarray(3), now));
    expect(simulation.events.at(-1)).toMatchObject({ kind: "data", peer: PEER, bytes: Uint8Array.of(5) });
  });

  it("that closes is opened again, and what was bound is bound again", () => {
    const simulation = allocated({ transport: "stream" });
    simulation.act((client, now) => client.bindChannel(PEER, now));
    simulation.run(120_000);
    simulation.events.length = 0;
    simulation.relay.restart();
    simulation.act((client, now) => client.handleStreamClosed(now));
    simulation.run(1_000);
    expect(simulation.kinds()).toEqual(["failed: stream-closed", "connect", "allocated", "channel-bound"]);
  });

  it("that can't be opened is tried again", () => {
    const simulation = new TurnSimulation({ transport: "stream" });
    simulation.isCut = true;
    simulation.act((client, now) => client.start(now));
    simulation.run(13_000);
    expect(simulation.kinds()).toEqual(["connect", "failed: relay-silent", "connect"]);
  });

  it("with bytes that are no TURN is given up", () => {
    const simulation = allocated({ transport: "stream" });
    simulation.act((client, now) => client.handleStream(Uint8Array.of(0xff, 1, 2), now));
    expect(simulation.kinds().at(-1)).toBe("failed: stream-out-of-step");
    expect(simulation.client.snapshot().drops).toEqual({ "stream-out-of-step": 1 });
  });
});

/** With the transaction id of a request that waits for its answer, or another. */
function encodeAnswer(
  client: TurnClient,
  { message, isOurs }: { message: Omit<StunToEncode, "transactionId">; isOurs: boolean },
): Uint8Array {
  const ours = isOurs ? client.pollTransmit()?.bytes.slice(8, 20) : undefined;
  return encodeStun({ ...message, transactionId: ours ?? new Uint8Array(12) });
}

describe("forged answers", () => {
  it("without the integrity that credentials give end nothing", () => {
    const client = new TurnClient({
      transport: "udp",
      server: RELAY_ADDRESS,
      linkId: 1,
      credentials: relayCredentials("alice"),
      random: (sizeBytes) => new Uint8Array(sizeBytes),
    });
    const relay = new TestRelay();
    const now = 1 as Instant;
    client.start(now);
    const first = client.pollTransmit()!.bytes;
    client.handleDatagram(relay.handle(first, PEER, now)!, FROM_RELAY, now);
    const transactionId = client.pollTransmit()!.bytes.slice(8, 20);
    const value = encodeXorAddress(PEER, transactionId);
    const forged = encodeStun({
      class: "success",
      method: TURN_METHOD.allocate,
      transactionId,
      attributes: [
        { type: TURN_ATTRIBUTE.xorRelayedAddress, value },
        { type: STUN_ATTRIBUTE.xorMappedAddress, value },
        { type: TURN_ATTRIBUTE.lifetime, value: Uint8Array.of(0, 0, 2, 88) },
      ],
    });
    expect(client.handleDatagram(forged, FROM_RELAY, now)).toBe("turn-unauthenticated");
    expect(client.snapshot().state).toBe("allocating");
  });

  it("and any other bytes at any time are counted and never thrown at", () => {
    const anyInput = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .record({
          class: fc.constantFrom("success" as const, "error" as const, "indication" as const),
          method: fc.constantFrom(1, 3, 4, 7, 8, 9),
          attributes: fc.array(
            fc.record({
              type: fc.constantFrom(...Object.values(TURN_ATTRIBUTE), 0x09, 0x14, 0x15, 0x20, 0x8002, 0x8023),
              value: fc.uint8Array({ maxLength: 24 }),
            }),
            { maxLength: 6 },
          ),
          isOurs: fc.boolean(),
        })
        .map(({ isOurs, ...message }) => ({ isOurs, message })),
    );
    fc.assert(
      fc.property(fc.array(anyInput, { maxLength: 12 }), fc.constantFrom("udp", "stream"), (inputs, transport) => {
        const simulation = new TurnSimulation({ transport: transport === "udp" ? "udp" : "stream" });
        simulation.act((client, now) => client.start(now));
        simulation.act((client, now) => client.bindChannel(PEER, now));
        for (const input of inputs) {
          simulation.run(20);
          simulation.act((client, now) => {
            const bytes = "message" in input ? encodeAnswer(client, input) : input;
            if (transport === "udp") client.handleDatagram(bytes, FROM_RELAY, now);
            else client.handleStream(bytes, now);
          });
        }
        simulation.run(600_000);
        expect(["allocated", "waiting", "allocating", "connecting"]).toContain(simulation.client.snapshot().state);
      }),
      { numRuns: 60 },
    );
  });
});
