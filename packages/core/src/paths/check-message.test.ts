import { describe, expect, it } from "vitest";
import { encodeHex } from "../bytes/index.ts";
import { encodeStun, encodeUint32, parseStun, STUN_ATTRIBUTE, type StunMessage } from "../stun/index.ts";
import { checkIdOf } from "./check-id.ts";
import { derivePairKeys, type PairKeys } from "./check-keys.ts";
import { encodeCheckAnswer, encodeCheckRefusal, encodeCheckRequest, readCheck } from "./check-message.ts";
import { TRAFFIC_MODES } from "./traffic-mode.ts";

const LOWER = new Uint8Array(32).fill(1);
const HIGHER = new Uint8Array(32).fill(2);
const TRANSACTION_ID = new Uint8Array(12).fill(7);
const MAPPED = { address: "192.0.2.1", port: 41641 };

function keysOf(localPublicKey: Uint8Array, remotePublicKey: Uint8Array): PairKeys {
  const keys = derivePairKeys({ sharedSecret: new Uint8Array(32).fill(3), localPublicKey, remotePublicKey });
  if (keys === null) throw new Error("no keys");
  return keys;
}

const LOW = keysOf(LOWER, HIGHER);
const HIGH = keysOf(HIGHER, LOWER);

function parsed(bytes: Uint8Array): StunMessage {
  const result = parseStun(bytes);
  if (!result.ok) throw new Error(result.reason);
  return result.message;
}

describe("checks on the wire, as docs/protocol-paths.md shows them", () => {
  it("keys", () => {
    expect(encodeHex(LOW.checkKey)).toBe("af5830992969218b655b19e403d401bff486185158b9a74f575b22958ef68887");
    expect(LOW.sendCheckId).toBe("R1UpjR9Bb37Usvfs");
    expect(HIGH.sendCheckId).toBe("hQdkU8-6-4CvoqGC");
    expect(encodeHex(LOW.callSendKey)).toBe("f5b96249acb911c43ce47e4e4d2bb5f2fadeb2cc28fe8fce836efffe39de0f54");
  });

  it("request", () => {
    expect(encodeHex(encodeCheckRequest(LOW, TRANSACTION_ID, 0x6e00_00ff))).toBe(
      "000100482112a442070707070707070707070707" +
        "0006001052315570" +
        "6a5239426233375573766673" +
        "002400046e0000ff" +
        "001c002073a2295c28a82975ebf9d2b221b388b9f56f2cbf62f9eb1b326fef03ae395352" +
        "802800045a21b3c8",
    );
  });

  it("answer", () => {
    expect(encodeHex(encodeCheckAnswer(HIGH, TRANSACTION_ID, MAPPED))).toBe(
      "0101004c2112a442070707070707070707070707" +
        "000600106851646b55382d362d3443766f714743" +
        "002000080001" +
        "83bbe112a643" +
        "001c002031e31e6ada7c2938c461f2fbc942f0631cd0925d3afee0d8b0fef1e94943610e" +
        "80280004d32d7523",
    );
  });
});

describe("reading checks", () => {
  it("gives what the other side wrote", () => {
    const request = parsed(encodeCheckRequest(LOW, TRANSACTION_ID, 77));
    expect(checkIdOf(request)).toBe(HIGH.receiveCheckId);
    const read = { kind: "request", priority: 77, place: 0, cost: 0, mode: null, isInDoubt: false, unknown: [] };
    expect(readCheck(request, HIGH)).toEqual(read);
    const told = parsed(encodeCheckRequest(LOW, TRANSACTION_ID, 77, { place: 5, cost: 6, isInDoubt: true }));
    expect(readCheck(told, HIGH)).toEqual({ ...read, place: 5, cost: 6, isInDoubt: true });
    const answer = parsed(encodeCheckAnswer(LOW, TRANSACTION_ID, MAPPED));
    expect(readCheck(answer, HIGH)).toEqual({ kind: "answer", mapped: MAPPED });
    expect(readCheck(parsed(encodeCheckRefusal(LOW, TRANSACTION_ID, [0x7abc])), HIGH)).toEqual({ kind: "refusal" });
  });

  it("tells what the sender's link costs, in requests that are not padded, within bounds", () => {
    const costOf = (options: Parameters<typeof encodeCheckRequest>[3]): unknown => {
      const check = readCheck(parsed(encodeCheckRequest(LOW, TRANSACTION_ID, 77, options)), HIGH);
      return typeof check === "object" && check.kind === "request" ? check.cost : check;
    };
    expect(costOf({ cost: 10, place: 5 })).toBe(10);
    expect(costOf({ cost: 4_000_000_000 })).toBe(1_000);
    expect(costOf({ cost: 10, paddedBytes: 200 })).toBeUndefined();
  });

  it("tells which mode was chosen, in requests that are not padded; an unknown one is none", () => {
    const modeOf = (message: StunMessage): unknown => {
      const check = readCheck(message, HIGH);
      return typeof check === "object" && check.kind === "request" ? check.mode : check;
    };
    for (const mode of [...TRAFFIC_MODES, null]) {
      expect(modeOf(parsed(encodeCheckRequest(LOW, TRANSACTION_ID, 77, { mode, place: 5, cost: 1 })))).toBe(mode);
    }
    expect(
      modeOf(parsed(encodeCheckRequest(LOW, TRANSACTION_ID, 77, { mode: "auto", paddedBytes: 200 }))),
    ).toBeUndefined();
    for (const number of [0, 99]) {
      const bytes = encodeStun({
        ...signed,
        class: "request",
        method: 1,
        attributes: [
          username,
          { type: STUN_ATTRIBUTE.priority, value: encodeUint32(1) },
          { type: STUN_ATTRIBUTE.trafficMode, value: encodeUint32(number) },
        ],
        fingerprint: true,
      });
      expect(modeOf(parsed(bytes))).toBeNull();
    }
  });

  it("refuses what comes back to its sender", () => {
    expect(readCheck(parsed(encodeCheckRequest(LOW, TRANSACTION_ID, 77)), LOW)).toBe("check-unauthenticated");
  });

  const username = { type: STUN_ATTRIBUTE.username, value: new TextEncoder().encode(LOW.sendCheckId) };
  const signed = { transactionId: TRANSACTION_ID, integrity: { kind: "sha256", key: LOW.checkKey } } as const;

  it.each([
    ["another method", { class: "request", method: 3, attributes: [username], fingerprint: true }, "check-malformed"],
    ["an indication", { class: "indication", method: 1, attributes: [username], fingerprint: true }, "check-malformed"],
    ["no fingerprint", { class: "request", method: 1, attributes: [username] }, "check-malformed"],
    ["no priority", { class: "request", method: 1, attributes: [username], fingerprint: true }, "check-malformed"],
    ["no address", { class: "success", method: 1, attributes: [username], fingerprint: true }, "check-malformed"],
    ["no username", { class: "request", method: 1, attributes: [], fingerprint: true }, "check-unauthenticated"],
  ] as const)("refuses %s, even if signed", (_what, content, reason) => {
    expect(readCheck(parsed(encodeStun({ ...signed, ...content })), HIGH)).toBe(reason);
  });

  it("finds no check id in the answer of a STUN server", () => {
    const bytes = encodeStun({ class: "success", method: 1, transactionId: TRANSACTION_ID, attributes: [] });
    expect(checkIdOf(parsed(bytes))).toBeUndefined();
  });
});
