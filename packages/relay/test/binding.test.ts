import {
  encodeChangeRequest,
  encodeStun,
  findAttribute,
  parseAddress,
  readAddress,
  readXorAddress,
  STUN_ATTRIBUTE,
} from "@asterism/core/stun";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { UdpListener } from "../src/listeners.ts";
import { CLIENT, codeOf, parsed, SERVER, SERVER_V6, SimulatedRelay } from "./simulated-relay.ts";

const OTHER = "203.0.113.2";
const ONE: readonly UdpListener[] = [
  { id: 0, local: { address: SERVER, port: 3478 } },
  { id: 1, local: { address: SERVER, port: 3479 } },
];
const TWO: readonly UdpListener[] = [
  ...ONE,
  { id: 2, local: { address: OTHER, port: 3478 } },
  { id: 3, local: { address: OTHER, port: 3479 } },
];

function relayOf(listeners: readonly UdpListener[]): SimulatedRelay {
  const relay = new SimulatedRelay();
  relay.setListeners(listeners);
  return relay;
}

function bindingRequest(
  relay: SimulatedRelay,
  attributes: { type: number; value: Uint8Array }[] = [],
  fingerprint = false,
) {
  return encodeStun({ class: "request", method: 1, transactionId: relay.newTransactionId(), attributes, fingerprint });
}

function change(changeIp: boolean, changePort: boolean) {
  return { type: STUN_ATTRIBUTE.changeRequest, value: encodeChangeRequest({ changeIp, changePort }) };
}

/** Which listener answers a request that came to listener 0, and where to. */
function leaving(relay: SimulatedRelay, bytes: Uint8Array, listenerId = 0) {
  relay.server.handleDatagram(listenerId, CLIENT, bytes, relay.at);
  const transmit = relay.server.pollTransmit();
  if (transmit?.via !== "udp") throw new Error("no answer");
  return { listenerId: transmit.listenerId, to: transmit.to, message: parsed(transmit.bytes) };
}

describe("Binding", () => {
  it("tells the client's address, and where else the server is", () => {
    const relay = relayOf(TWO);
    const { message } = leaving(relay, bindingRequest(relay));
    expect(readXorAddress(message, STUN_ATTRIBUTE.xorMappedAddress)).toEqual(CLIENT);
    expect(readAddress(message, STUN_ATTRIBUTE.responseOrigin)).toEqual({ address: SERVER, port: 3478 });
    expect(readAddress(message, STUN_ATTRIBUTE.otherAddress)).toEqual({ address: OTHER, port: 3479 });
  });

  it("answers from where it is asked to", () => {
    const relay = relayOf(TWO);
    const from = (listenerId: number, ip: boolean, port: boolean) =>
      leaving(relay, bindingRequest(relay, [change(ip, port)]), listenerId).listenerId;
    expect([from(0, false, false), from(0, false, true), from(0, true, false), from(0, true, true)]).toEqual([
      0, 1, 2, 3,
    ]);
    expect([from(3, false, true), from(3, true, false), from(3, true, true)]).toEqual([2, 1, 0]);
  });

  it("with one address offers its second port and says that it can't change the address", () => {
    const relay = relayOf(ONE);
    const plain = leaving(relay, bindingRequest(relay));
    expect(readAddress(plain.message, STUN_ATTRIBUTE.otherAddress)).toEqual({ address: SERVER, port: 3479 });
    expect(leaving(relay, bindingRequest(relay, [change(false, true)])).listenerId).toBe(1);
    expect(codeOf(leaving(relay, bindingRequest(relay, [change(true, true)])).message)).toBe(420);
    const bare = relayOf(ONE.slice(0, 1));
    const only = leaving(bare, bindingRequest(bare)).message;
    expect(findAttribute(only, STUN_ATTRIBUTE.otherAddress)).toBeUndefined();
  });

  it("does not pair private addresses, which may lie in networks apart", () => {
    const relay = relayOf([
      { id: 0, local: { address: "10.0.0.1", port: 3478 } },
      { id: 1, local: { address: "172.17.0.1", port: 3479 } },
    ]);
    expect(findAttribute(leaving(relay, bindingRequest(relay)).message, STUN_ATTRIBUTE.otherAddress)).toBeUndefined();
  });

  it("answers at another port of the client on request", () => {
    const relay = relayOf(ONE);
    const port = { type: STUN_ATTRIBUTE.responsePort, value: Uint8Array.of(0x12, 0x34, 0, 0) };
    expect(leaving(relay, bindingRequest(relay, [port])).to).toEqual({ address: CLIENT.address, port: 0x1234 });
    const malformed = { type: STUN_ATTRIBUTE.responsePort, value: Uint8Array.of(1) };
    expect(codeOf(leaving(relay, bindingRequest(relay, [malformed])).message)).toBe(400);
  });

  it("over a stream changes nothing", () => {
    const relay = relayOf(TWO);
    const stream = { via: "stream", streamId: 1, remote: CLIENT, local: { address: SERVER, port: 3478 } } as const;
    const message = parsed(relay.exchange(bindingRequest(relay), stream));
    expect(readXorAddress(message, STUN_ATTRIBUTE.xorMappedAddress)).toEqual(CLIENT);
    expect(codeOf(parsed(relay.exchange(bindingRequest(relay, [change(true, true)]), stream)))).toBe(420);
  });

  it("never answers with more than three times the request's bytes", () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.boolean(),
        fc.array(fc.record({ type: fc.integer({ min: 0, max: 0xffff }), value: fc.uint8Array({ maxLength: 40 }) }), {
          maxLength: 4,
        }),
        fc.constantFrom(1, 3, 4, 8, 9),
        (isV6, fingerprint, attributes, method) => {
          const relay = relayOf([...TWO, { id: 4, local: { address: SERVER_V6, port: 3478 } }]);
          const known = attributes.filter(({ type }) => type !== 8 && type !== 0x1c && type !== 0x8028);
          const transactionId = relay.newTransactionId();
          const request = encodeStun({ class: "request", method, transactionId, attributes: known, fingerprint });
          const from = isV6 ? { address: "2001:db8::77", port: 4000 } : CLIENT;
          relay.server.handleDatagram(isV6 ? 4 : 0, from, request, relay.at);
          const answer = relay.server.pollTransmit();
          if (answer !== undefined) expect(answer.bytes.length).toBeLessThanOrEqual(3 * request.length);
          if (method === 1 && known.length === 0) expect(answer).toBeDefined();
        },
      ),
    );
  });
});

describe("Binding of RFC 3489", () => {
  function classic(relay: SimulatedRelay, body: readonly number[] = []) {
    const bytes = Uint8Array.of(0, 1, 0, body.length, ...new Array<number>(16).fill(7), ...body);
    relay.server.handleClassicDatagram(0, CLIENT, bytes);
    return relay.server.pollTransmit();
  }

  it("is answered with plain addresses under its own id", () => {
    const relay = relayOf(TWO);
    const transmit = classic(relay);
    const bytes = transmit?.bytes ?? new Uint8Array();
    expect([...bytes.subarray(0, 4)]).toEqual([1, 1, 0, 36]);
    expect([...bytes.subarray(4, 20)]).toEqual(new Array(16).fill(7));
    const addressAt = (offset: number) => parseAddress(bytes.subarray(offset + 4, offset + 12));
    expect([addressAt(20), addressAt(32), addressAt(44)]).toEqual([
      CLIENT,
      { address: SERVER, port: 3478 },
      { address: OTHER, port: 3479 },
    ]);
  });

  it("leaves from elsewhere on request, ignores RESPONSE-ADDRESS, and drops what is cut off", () => {
    const relay = relayOf(TWO);
    expect(classic(relay, [0, 3, 0, 4, 0, 0, 0, 6])).toMatchObject({ listenerId: 3, to: CLIENT });
    expect(classic(relay, [0, 2, 0, 8, 0, 1, 0, 9, 192, 0, 2, 1])).toMatchObject({ listenerId: 0, to: CLIENT });
    expect(classic(relay, [0, 3, 0, 9, 0, 0, 0, 6])).toBeUndefined();
  });
});
