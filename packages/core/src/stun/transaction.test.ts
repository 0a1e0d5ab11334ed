import { describe, expect, it } from "vitest";
import { addMs, type Instant } from "../time.ts";
import { encodeStun, parseStun, type StunMessage, StunTransaction } from "./index.ts";

const START = 1_000 as Instant;
const TO = { linkId: 1, remote: { address: "192.0.2.1", port: 3478 }, channel: null };
const TRANSACTION_ID = new Uint8Array(12).fill(7);

function message(messageClass: "request" | "success" | "error", transactionId = TRANSACTION_ID): StunMessage {
  const result = parseStun(encodeStun({ class: messageClass, method: 1, transactionId, attributes: [] }));
  if (!result.ok) throw new Error(result.reason);
  return result.message;
}

function start(options: { rtoMs?: number; requests?: number } = {}): StunTransaction {
  const bytes = message("request").bytes;
  return new StunTransaction({ to: TO, bytes, transactionId: TRANSACTION_ID, ...options }, START);
}

/** Times from the start at which the machine sends, until it has no deadline. */
function sendTimes(transaction: StunTransaction): number[] {
  const times: number[] = [];
  let now = START;
  for (;;) {
    while (transaction.pollTransmit() !== undefined) times.push(now - START);
    const timeout = transaction.pollTimeout();
    if (timeout === undefined) return times;
    now = timeout.at;
    transaction.handleTimeout(now);
  }
}

describe("STUN transaction", () => {
  it("repeats at the RFC's times and fails after 39.5 s", () => {
    const transaction = start();
    expect(sendTimes(transaction)).toEqual([0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    expect(transaction.pollEvent()).toEqual({ kind: "failed", requestsSent: 7 });
    expect(transaction.pollEvent()).toBeUndefined();
  });

  it("fails after the last wait and not before", () => {
    const transaction = start({ rtoMs: 100, requests: 1 });
    expect(transaction.pollTimeout()).toEqual({ at: addMs(START, 1600), reason: "give-up" });
    transaction.handleTimeout(addMs(START, 1599));
    expect(transaction.pollEvent()).toBeUndefined();
    transaction.handleTimeout(addMs(START, 1600));
    expect(transaction.pollEvent()).toEqual({ kind: "failed", requestsSent: 1 });
  });

  it("ends with the answer and its round-trip time", () => {
    const transaction = start();
    expect(transaction.pollTransmit()?.to).toEqual(TO);
    const answer = message("success");
    expect(transaction.handleMessage(answer, TO, addMs(START, 42))).toBe(true);
    expect(transaction.pollEvent()).toEqual({ kind: "answered", message: answer, from: TO, rttMs: 42 });
    expect(transaction.pollTimeout()).toBeUndefined();
    expect(transaction.handleMessage(answer, TO, addMs(START, 43))).toBe(false);
  });

  it("knows no round-trip time after a repetition", () => {
    const transaction = start();
    transaction.handleTimeout(addMs(START, 500));
    transaction.handleMessage(message("error"), TO, addMs(START, 510));
    expect(transaction.pollEvent()).toMatchObject({ kind: "answered", rttMs: undefined });
  });

  it("is not ended by a request or by another transaction's answer", () => {
    const transaction = start();
    expect(transaction.handleMessage(message("request"), TO, START)).toBe(false);
    expect(transaction.handleMessage(message("success", new Uint8Array(12)), TO, START)).toBe(false);
    expect(transaction.pollTimeout()).toBeDefined();
  });
});
