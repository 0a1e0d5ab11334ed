import { encodeUtf8 } from "@asterism/core/bytes";
import type { UdpAddress } from "@asterism/core/net";
import {
  encodeStun,
  findAttribute,
  longTermKey,
  parseAttributeTypes,
  readXorAddress,
  STUN_ATTRIBUTE,
} from "@asterism/core/stun";
import type { Instant } from "@asterism/core/time";
import {
  encodeAddressFamily,
  encodeEvenPort,
  parseAddressError,
  TURN_ATTRIBUTE,
  TURN_METHOD,
} from "@asterism/core/turn";
import { describe, expect, it } from "vitest";
import { CREDENTIAL_GRACE_MS } from "../src/authentication.ts";
import { NONCE_LIFETIME_MS } from "../src/nonces.ts";
import { CHANNEL_LIFETIME_MS, PERMISSION_LIFETIME_MS } from "../src/peers.ts";
import { RESERVATION_LIFETIME_MS } from "../src/relayed-ports.ts";
import {
  CLIENT,
  codeOf,
  lifetime,
  lifetimeOf,
  PEER,
  REALM,
  relayedOf,
  SERVER,
  SERVER_V6,
  SimulatedClient,
  SimulatedRelay,
  transport,
} from "./simulated-relay.ts";

const MINUTE = 60_000;
const PEER_V6: UdpAddress = { address: "2001:db8:1::9", port: 5000 };
const OTHER_CLIENT: UdpAddress = { address: "198.51.100.8", port: 4000 };
const family = (value: 4 | 6) => ({ type: TURN_ATTRIBUTE.requestedAddressFamily, value: encodeAddressFamily(value) });
const additional = { type: TURN_ATTRIBUTE.additionalAddressFamily, value: encodeAddressFamily(6) };
const evenPort = (next: boolean) => ({ type: TURN_ATTRIBUTE.evenPort, value: encodeEvenPort(next) });

describe("credentials", () => {
  it("are asked for with realm and nonce, in at most three times the request's bytes", () => {
    const relay = new SimulatedRelay();
    const client = new SimulatedClient(relay);
    const challenge = client.askBare({ method: TURN_METHOD.allocate, attributes: [transport()] });
    expect(codeOf(challenge)).toBe(401);
    expect(findAttribute(challenge, STUN_ATTRIBUTE.realm)).toEqual(encodeUtf8(REALM));
    expect(findAttribute(challenge, STUN_ATTRIBUTE.nonce)).toHaveLength(16);
    expect(challenge.bytes.length).toBeLessThanOrEqual(3 * 28);
    const least = client.askBare({ method: TURN_METHOD.refresh });
    expect(least.bytes.length).toBeLessThanOrEqual(3 * 20);
    expect(relay.table.allocations.size).toBe(0);
  });

  it("that are wrong, for another realm, or expired are refused with a new nonce", () => {
    const relay = new SimulatedRelay();
    const client = new SimulatedClient(relay);
    client.credentials = { ...client.credentials, password: "wrong" };
    expect(codeOf(client.allocate())).toBe(401);
    client.credentials = relay.credentials("user", -1_000);
    expect(codeOf(client.allocate())).toBe(401);
    client.credentials = { username: "no-time", password: "x" };
    const refused = client.allocate();
    expect(codeOf(refused)).toBe(401);
    expect(findAttribute(refused, STUN_ATTRIBUTE.nonce)).toBeDefined();
    expect(relay.server.counters.errors).toEqual({ 401: 4 });
    expect(relay.table.allocations.size).toBe(0);
  });

  it("with integrity but without a nonce are a bad request", () => {
    const relay = new SimulatedRelay();
    const bytes = encodeStun({
      class: "request",
      method: TURN_METHOD.allocate,
      transactionId: relay.newTransactionId(),
      attributes: [transport()],
      integrity: { kind: "sha1", key: longTermKey("a", REALM, "b") },
    });
    const answer = relay.exchange(bytes);
    expect(answer?.[27]).toBe(0);
    expect(relay.server.counters.errors).toEqual({ 400: 1 });
  });

  it("need a nonce that is fresh and was given to this address", () => {
    const relay = new SimulatedRelay();
    const client = new SimulatedClient(relay);
    expect(codeOf(client.allocate())).toBeUndefined();
    relay.advance(NONCE_LIFETIME_MS - 1_000);
    client.credentials = relay.credentials();
    expect(codeOf(client.allocate())).toBeUndefined();
    relay.advance(2_000);
    const stale = client.allocate();
    expect(codeOf(stale)).toBe(438);
    expect(findAttribute(stale, STUN_ATTRIBUTE.nonce)).not.toEqual(client.nonce);
    const thief = new SimulatedClient(relay, { from: OTHER_CLIENT });
    thief.nonce = findAttribute(stale, STUN_ATTRIBUTE.nonce)?.slice();
    expect(codeOf(thief.allocate())).toBe(438);
  });

  it("are asked for only so often per source", () => {
    const relay = new SimulatedRelay({ challenges: { perSecond: 10, atOnce: 20 } });
    const flood = (): number => {
      let answers = 0;
      for (let i = 0; i < 100; i++) {
        const bytes = encodeStun({
          class: "request",
          method: TURN_METHOD.allocate,
          transactionId: relay.newTransactionId(),
          attributes: [],
        });
        if (relay.exchange(bytes, { address: CLIENT.address, port: 1000 + i }) !== undefined) answers += 1;
      }
      return answers;
    };
    expect(flood()).toBe(20);
    relay.advance(1_000);
    expect(flood()).toBe(10);
    expect(relay.server.counters.drops).toEqual({ "challenges-limited": 170 });
    expect(codeOf(new SimulatedClient(relay, { from: OTHER_CLIENT }).allocate())).toBeUndefined();
  });

  it("of another user don't rule an allocation", () => {
    const relay = new SimulatedRelay();
    const client = new SimulatedClient(relay);
    client.allocate();
    client.credentials = relay.credentials("somebody else");
    expect(codeOf(client.refresh(0))).toBe(441);
    expect(codeOf(client.permit(PEER))).toBe(441);
    expect(relay.table.allocations.size).toBe(1);
  });

  it("of another user at the same five-tuple, whose NAT gave the port out again, are told that it is taken", () => {
    const relay = new SimulatedRelay();
    const transactionId = relay.newTransactionId();
    new SimulatedClient(relay).allocate([], transactionId);
    const other = new SimulatedClient(relay, { user: "somebody else" });
    expect(codeOf(other.allocate())).toBe(437);
    // Nor does a repeated request tell the address.
    expect(codeOf(other.allocate([], transactionId))).toBe(437);
  });

  it("that are newer rule what the same user allocated with older ones", () => {
    const relay = new SimulatedRelay();
    const client = new SimulatedClient(relay);
    client.allocate();
    relay.advance(5 * MINUTE);
    client.credentials = relay.credentials();
    expect(codeOf(client.allocate())).toBe(437);
    expect(codeOf(client.refresh(0))).toBeUndefined();
    expect(codeOf(client.allocate())).toBeUndefined();
  });

  it("keep an allocation alive for a day after their time, and no longer", () => {
    const relay = new SimulatedRelay();
    const client = new SimulatedClient(relay);
    client.credentials = relay.credentials("user", MINUTE);
    client.allocate([lifetime(3_600)]);
    const end = relay.nowMs + MINUTE + CREDENTIAL_GRACE_MS;
    while (relay.nowMs + 50 * MINUTE < end) {
      relay.advance(50 * MINUTE);
      client.nonce = undefined;
      expect(codeOf(client.refresh(3_600))).toBeUndefined();
    }
    relay.advance(end - relay.nowMs - 5_000);
    client.nonce = undefined;
    expect(lifetimeOf(client.refresh(3_600))).toBe(5);
    relay.advance(6_000);
    expect(relay.table.allocations.size).toBe(0);
  });
});

describe("Allocate", () => {
  it("gives a random port of the range on the address that the client uses", () => {
    const relay = new SimulatedRelay();
    const ports = new Set<number>();
    for (let i = 0; i < 10; i++) {
      const from = { ...CLIENT, port: 4000 + i };
      const answer = new SimulatedClient(relay, { from }).allocate();
      const relayed = relayedOf(answer);
      expect(relayed?.address).toBe(SERVER);
      expect(relayed?.port).toBeGreaterThanOrEqual(50_000);
      expect(relayed?.port).toBeLessThanOrEqual(50_099);
      expect(readXorAddress(answer, STUN_ATTRIBUTE.xorMappedAddress)).toEqual(from);
      expect(lifetimeOf(answer)).toBe(600);
      ports.add(relayed?.port ?? 0);
    }
    expect(ports.size).toBe(10);
    expect([...ports]).not.toEqual([...ports].toSorted((a, b) => a - b));
  });

  it("answers a repetition as before, and another request with 437", () => {
    const relay = new SimulatedRelay();
    const client = new SimulatedClient(relay);
    const id = relay.newTransactionId();
    const first = client.allocate([], id);
    expect(client.allocate([], id).bytes).toEqual(first.bytes);
    expect(codeOf(client.allocate())).toBe(437);
    expect(relay.table.allocations.size).toBe(1);
  });

  it("keeps lifetimes between 10 minutes and an hour", () => {
    const relay = new SimulatedRelay();
    const given = [1, 600, 1_800, 999_999].map((seconds, index) =>
      lifetimeOf(new SimulatedClient(relay, { from: { ...CLIENT, port: 6000 + index } }).allocate([lifetime(seconds)])),
    );
    expect(given).toEqual([600, 600, 1_800, 3_600]);
  });

  it("refuses what it doesn't do", () => {
    const relay = new SimulatedRelay();
    const code = (...attributes: Parameters<SimulatedClient["ask"]>[0]["attributes"] & object) =>
      codeOf(new SimulatedClient(relay).ask({ method: TURN_METHOD.allocate, attributes }));
    expect(code()).toBe(400);
    expect(code(transport(6))).toBe(442);
    const unknownFamily = { type: TURN_ATTRIBUTE.requestedAddressFamily, value: Uint8Array.of(3, 0, 0, 0) };
    expect(code(transport(), unknownFamily)).toBe(440);
    expect(code(transport(), family(6), additional)).toBe(400);
    expect(code(transport(), additional, evenPort(true))).toBe(400);
    const additionalV4 = { type: TURN_ATTRIBUTE.additionalAddressFamily, value: encodeAddressFamily(4) };
    expect(code(transport(), additionalV4)).toBe(400);
    const token = { type: TURN_ATTRIBUTE.reservationToken, value: new Uint8Array(8) };
    expect(code(transport(), token, evenPort(false))).toBe(400);
    expect(code(transport(), token)).toBe(508);
    expect(code(transport(), { type: TURN_ATTRIBUTE.lifetime, value: new Uint8Array(3) })).toBe(400);
    expect(relay.table.allocations.size).toBe(0);
  });

  it("names attributes that it must know and doesn't", () => {
    const relay = new SimulatedRelay();
    const unknown = { type: 0x7777, value: new Uint8Array() };
    const answer = new SimulatedClient(relay).allocate([unknown]);
    expect(codeOf(answer)).toBe(420);
    const types = findAttribute(answer, STUN_ATTRIBUTE.unknownAttributes) ?? new Uint8Array();
    expect(parseAttributeTypes(types)).toEqual([0x7777]);
  });

  it("gives IPv6, both families, or says what is missing", () => {
    const relay = new SimulatedRelay();
    expect(relayedOf(new SimulatedClient(relay).allocate([family(6)]))?.address).toBe(SERVER_V6);
    const both = new SimulatedClient(relay, { from: OTHER_CLIENT }).allocate([additional]);
    const relayed = both.attributes.filter(({ type }) => type === TURN_ATTRIBUTE.xorRelayedAddress);
    expect(relayed.map(({ value }) => value[1])).toEqual([1, 2]);
    relay.setListeners([{ id: 0, local: { address: SERVER, port: 3478 } }]);
    const only = new SimulatedClient(relay).allocate([additional]);
    expect(relayedOf(only)?.address).toBe(SERVER);
    const error = parseAddressError(findAttribute(only, TURN_ATTRIBUTE.addressErrorCode) ?? new Uint8Array());
    expect(error).toMatchObject({ family: 6, code: 440 });
    expect(codeOf(new SimulatedClient(relay, { from: { ...CLIENT, port: 9 } }).allocate([family(6)]))).toBe(440);
  });

  it("gives an even port and keeps the next for whoever has the token, for 30 s", () => {
    const relay = new SimulatedRelay();
    const reserve = (port: number) => {
      const answer = new SimulatedClient(relay, { from: { ...CLIENT, port } }).allocate([evenPort(true)]);
      const token = findAttribute(answer, TURN_ATTRIBUTE.reservationToken) ?? new Uint8Array();
      return { port: relayedOf(answer)?.port ?? 0, token: { type: TURN_ATTRIBUTE.reservationToken, value: token } };
    };
    const first = reserve(7000);
    expect(first.port % 2).toBe(0);
    const thief = new SimulatedClient(relay, { from: OTHER_CLIENT, user: "thief" });
    expect(codeOf(thief.allocate([first.token]))).toBe(508);
    const second = new SimulatedClient(relay, { from: { ...CLIENT, port: 7001 } }).allocate([first.token]);
    expect(relayedOf(second)?.port).toBe(first.port + 1);
    const late = reserve(7002);
    relay.advance(RESERVATION_LIFETIME_MS);
    expect(codeOf(new SimulatedClient(relay, { from: { ...CLIENT, port: 7003 } }).allocate([late.token]))).toBe(508);
  });

  it("does not hand out a reserved port to others", () => {
    const relay = new SimulatedRelay({ ports: { min: 50_000, max: 50_003 } });
    const first = relayedOf(new SimulatedClient(relay).allocate([evenPort(true)]))?.port ?? 0;
    const others = [1, 2, 3].map((port) => new SimulatedClient(relay, { from: { ...CLIENT, port } }).allocate());
    expect(others.map((answer) => relayedOf(answer)?.port)).not.toContain(first + 1);
    expect(others.map(codeOf)).toEqual([undefined, undefined, 508]);
  });

  it("has quotas per user and in all, which end with the allocations", () => {
    const relay = new SimulatedRelay({ maxAllocationsPerUser: 2, maxAllocations: 3 });
    const clientAt = (port: number, user: string) => new SimulatedClient(relay, { from: { ...CLIENT, port }, user });
    const first = clientAt(1, "a");
    expect([first, clientAt(2, "a"), clientAt(3, "a")].map((client) => codeOf(client.allocate()))).toEqual([
      undefined,
      undefined,
      486,
    ]);
    expect(codeOf(clientAt(4, "b").allocate())).toBeUndefined();
    expect(codeOf(clientAt(5, "c").allocate())).toBe(508);
    first.refresh(0);
    expect(codeOf(clientAt(3, "a").allocate())).toBeUndefined();
  });

  it("has no port left when the host has none", () => {
    const relay = new SimulatedRelay({ ports: { min: 50_000, max: 50_001 } });
    relay.table.takenPorts.add(50_000).add(50_001);
    expect(codeOf(new SimulatedClient(relay).allocate())).toBe(508);
  });

  it("tells the public address of a host behind a one-to-one NAT", () => {
    const relay = new SimulatedRelay({ publicAddress: (address) => (address === SERVER ? "192.0.2.200" : address) });
    const client = new SimulatedClient(relay);
    expect(relayedOf(client.allocate())?.address).toBe("192.0.2.200");
    expect(relay.table.only.options.relayed[0]?.address).toBe(SERVER);
    client.permit({ address: "192.0.2.200", port: 22 });
    expect(relay.table.only.permissions.get("192.0.2.200")).toBeUndefined();
    expect(relay.table.only.permissions.get(SERVER)?.relayedOnly).toBe(true);
    client.bind(0x4001, { address: "192.0.2.200", port: 50_000 });
    expect(relay.table.only.channels.get(0x4001)?.peer).toEqual({ address: SERVER, port: 50_000 });
  });
});

describe("lifetimes", () => {
  it("end an allocation that is not refreshed, and not one that is", () => {
    const relay = new SimulatedRelay();
    const client = new SimulatedClient(relay);
    client.allocate();
    relay.advance(9 * MINUTE);
    expect(lifetimeOf(client.refresh(600))).toBe(600);
    expect(relay.table.only.expiresAt).toBe(relay.nowMs + 600_000);
    relay.advance(9 * MINUTE);
    expect(relay.table.allocations.size).toBe(1);
    relay.advance(MINUTE);
    expect(relay.table.allocations.size).toBe(0);
    expect(codeOf(client.refresh(600))).toBe(437);
    expect(relay.server.pollTimeout()).toBeUndefined();
  });

  it("are over at once on request, for one family or all", () => {
    const relay = new SimulatedRelay();
    const client = new SimulatedClient(relay);
    client.allocate([additional]);
    expect(codeOf(client.permit(PEER_V6))).toBeUndefined();
    expect(lifetimeOf(client.refresh(0, [family(6)]))).toBe(0);
    expect(codeOf(client.permit(PEER_V6))).toBe(443);
    expect(codeOf(client.refresh(600, [family(6)]))).toBe(443);
    expect(codeOf(client.permit(PEER))).toBeUndefined();
    client.refresh(0);
    expect(relay.table.allocations.size).toBe(0);
  });

  it("of permissions are 5 minutes, of channels 10", () => {
    const relay = new SimulatedRelay();
    const client = new SimulatedClient(relay);
    client.allocate();
    client.bind(0x4001, PEER);
    const { permissions, channels } = relay.table.only;
    expect(permissions.get(PEER.address)?.expiresAt).toBe(relay.nowMs + PERMISSION_LIFETIME_MS);
    expect(channels.get(0x4001)?.expiresAt).toBe(relay.nowMs + CHANNEL_LIFETIME_MS);
    relay.advance(MINUTE);
    client.permit({ ...PEER, port: 1 });
    expect(permissions.get(PEER.address)?.expiresAt).toBe(relay.nowMs + PERMISSION_LIFETIME_MS);
    expect(channels.get(0x4001)?.expiresAt).toBe(relay.nowMs + CHANNEL_LIFETIME_MS - MINUTE);
  });

  it("of a stream's allocation end with the connection", () => {
    const relay = new SimulatedRelay();
    const stream = { via: "stream", streamId: 7, remote: CLIENT, local: { address: SERVER, port: 3478 } } as const;
    const client = new SimulatedClient(relay, { from: stream });
    expect(relayedOf(client.allocate())?.address).toBe(SERVER);
    expect(relay.table.only.options.client).toBeNull();
    relay.server.handleStreamClosed(stream);
    expect(relay.table.allocations.size).toBe(0);
  });

  it("end when the listener or the relayed address is gone", () => {
    const relay = new SimulatedRelay();
    new SimulatedClient(relay).allocate();
    new SimulatedClient(relay, { from: OTHER_CLIENT }).allocate([family(6)]);
    relay.setListeners([{ id: 0, local: { address: SERVER, port: 3478 } }]);
    expect(relay.table.only.options.relayed[0]?.address).toBe(SERVER);
  });
});

describe("peers", () => {
  it("are bound one to one with channels while a binding lasts", () => {
    const relay = new SimulatedRelay();
    const client = new SimulatedClient(relay);
    client.allocate([lifetime(3_600)]);
    const other = { ...PEER, port: 5001 };
    expect(codeOf(client.bind(0x4001, PEER))).toBeUndefined();
    expect(codeOf(client.bind(0x4001, PEER))).toBeUndefined();
    expect(codeOf(client.bind(0x4001, other))).toBe(400);
    expect(codeOf(client.bind(0x4002, PEER))).toBe(400);
    expect(codeOf(client.bind(0x7ffe, other))).toBeUndefined();
    relay.advance(CHANNEL_LIFETIME_MS);
    expect(codeOf(client.bind(0x4001, other))).toBeUndefined();
  });

  it("need a channel of the range, and an allocation", () => {
    const relay = new SimulatedRelay();
    const client = new SimulatedClient(relay);
    expect(codeOf(client.bind(0x4001, PEER))).toBe(437);
    expect(codeOf(client.permit(PEER))).toBe(437);
    client.allocate();
    // coturn's client takes 0x7FFF as well, though RFC 5766 §11.2 ends at 0x7FFE.
    expect(codeOf(client.bind(0x7fff, PEER))).toBeUndefined();
    expect([0x3fff, 0x8000, 0xffff].map((channel) => codeOf(client.bind(channel, PEER)))).toEqual([400, 400, 400]);
    expect(codeOf(client.permit())).toBe(400);
    expect(codeOf(client.permit(PEER_V6))).toBe(443);
    expect(codeOf(client.bind(0x4001, PEER_V6))).toBe(443);
  });

  it.each([
    ["loopback", "127.0.0.1"],
    ["loopback", "127.255.3.4"],
    ["this network", "0.0.0.0"],
    ["private", "10.0.0.1"],
    ["private", "172.16.5.5"],
    ["private", "192.168.1.1"],
    ["link-local (cloud metadata)", "169.254.169.254"],
    ["carrier-grade NAT", "100.64.0.1"],
    ["multicast", "224.0.0.1"],
    ["broadcast", "255.255.255.255"],
    ["benchmarking", "198.18.0.1"],
    ["loopback", "::1"],
    ["unspecified", "::"],
    ["IPv4-mapped", "::ffff:127.0.0.1"],
    ["NAT64", "64:ff9b::7f00:1"],
    ["6to4", "2002:7f00:1::1"],
    ["link-local", "fe80::1"],
    ["unique local", "fd00::1"],
    ["multicast", "ff02::1"],
  ])("at %s addresses are forbidden: %s", (_kind, address) => {
    const relay = new SimulatedRelay();
    const client = new SimulatedClient(relay);
    client.allocate([additional]);
    expect(codeOf(client.permit(PEER, { address, port: 80 }))).toBe(403);
    expect(codeOf(client.bind(0x4001, { address, port: 80 }))).toBe(403);
    // All or none.
    expect(relay.table.only.permissions.size).toBe(0);
  });

  it("at addresses of the server itself are other relayed addresses only", () => {
    const relay = new SimulatedRelay();
    const client = new SimulatedClient(relay);
    client.allocate();
    client.permit({ address: SERVER, port: 22 });
    expect(relay.table.only.permissions.get(SERVER)).toMatchObject({ relayedOnly: true });
    client.permit(PEER);
    expect(relay.table.only.permissions.get(PEER.address)).toMatchObject({ relayedOnly: false });
  });

  it("at addresses of the server that it does not relay at, or at its loopback, are forbidden", () => {
    const relay = new SimulatedRelay();
    const listener = { id: 0, local: { address: SERVER, port: 3478 } };
    relay.server.setAddresses([listener], [SERVER, "127.0.0.1"], [SERVER, "127.0.0.1", "203.0.113.77"]);
    const client = new SimulatedClient(relay);
    client.allocate();
    expect(codeOf(client.permit({ address: "203.0.113.77", port: 22 }))).toBe(403);
    expect(codeOf(client.permit({ address: "127.0.0.1", port: 22 }))).toBe(403);
    expect(codeOf(client.permit({ address: SERVER, port: 22 }))).toBeUndefined();
  });

  it("are allowed where the operator says so", () => {
    const relay = new SimulatedRelay({ allow: ["10.1.0.0/16"] });
    const client = new SimulatedClient(relay);
    client.allocate();
    expect(codeOf(client.permit({ address: "10.1.2.3", port: 1 }))).toBeUndefined();
    expect(codeOf(client.permit({ address: "10.2.2.3", port: 1 }))).toBe(403);
  });

  it("are as many as the engine takes", () => {
    const relay = new SimulatedRelay();
    relay.table.maxPermissions = 1;
    const client = new SimulatedClient(relay);
    client.allocate();
    expect(codeOf(client.permit(PEER))).toBeUndefined();
    expect(codeOf(client.permit({ address: "192.0.2.10", port: 1 }))).toBe(508);
  });
});

describe("rubbish", () => {
  it("is dropped and counted", () => {
    const relay = new SimulatedRelay();
    const id = relay.newTransactionId();
    expect(relay.exchange(new Uint8Array(20))).toBeUndefined();
    expect(
      relay.exchange(encodeStun({ class: "success", method: 1, transactionId: id, attributes: [] })),
    ).toBeUndefined();
    expect(
      relay.exchange(encodeStun({ class: "indication", method: 1, transactionId: id, attributes: [] })),
    ).toBeUndefined();
    expect(
      relay.exchange(encodeStun({ class: "request", method: 9 + 1, transactionId: id, attributes: [] })),
    ).toBeUndefined();
    const damaged = encodeStun({ class: "request", method: 1, transactionId: id, attributes: [], fingerprint: true });
    damaged[27] = (damaged[27] ?? 0) ^ 1;
    expect(relay.exchange(damaged)).toBeUndefined();
    expect(relay.server.counters.drops).toEqual({ "stun-malformed": 2, "not-a-request": 2, "unknown-method": 1 });
    expect(relay.server.pollTransmit()).toBeUndefined();
  });

  it("has no deadline to wait for when nothing is allocated", () => {
    const relay = new SimulatedRelay();
    relay.server.handleTimeout(0 as Instant);
    expect(relay.server.pollTimeout()).toBeUndefined();
  });
});
