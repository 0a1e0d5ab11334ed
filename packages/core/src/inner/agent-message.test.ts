import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeHex } from "../bytes/index.ts";
import {
  type AgentMessage,
  encodeAgentMessage,
  looksLikeAgentMessage,
  MAX_AGENT_MESSAGE_BYTES,
  MAX_FORWARDED_CALL_BYTES,
  parseAgentMessage,
} from "./agent-message.ts";

const sealed = Uint8Array.of(0xaa, 0xbb);

describe("messages between agents", () => {
  test.each([
    [{ kind: "forward-call", to: "node-b", sealed }, "00010009066e6f64652d62aabb"],
    [{ kind: "forwarded-call", from: "node-a", sealed }, "00020009066e6f64652d61aabb"],
    [{ kind: "forwarded-call", from: null, sealed }, "0002000300aabb"],
    [{ kind: "not-forwarded", to: "node-b" }, "00030007066e6f64652d62"],
  ] satisfies [AgentMessage, string][])("%o is %s", (message, hex) => {
    const bytes = encodeAgentMessage(message);
    expect(encodeHex(bytes)).toBe(hex);
    expect(looksLikeAgentMessage(bytes)).toBe(true);
    expect(parseAgentMessage(Uint8Array.of(...bytes, 0, 0, 0))).toEqual(message);
  });

  test("the largest one passes in one piece where any IPv6 does", () => {
    const call = {
      kind: "forward-call",
      to: "n".repeat(64),
      sealed: new Uint8Array(MAX_FORWARDED_CALL_BYTES),
    } as const;
    expect(encodeAgentMessage(call)).toHaveLength(MAX_AGENT_MESSAGE_BYTES);
    expect(MAX_AGENT_MESSAGE_BYTES + 32 + 4 + 8 + 40).toBeLessThanOrEqual(1_280);
    const larger = { ...call, sealed: new Uint8Array(MAX_FORWARDED_CALL_BYTES + 1) };
    expect(() => encodeAgentMessage(larger)).toThrow(RangeError);
  });

  test.each([
    ["of an unknown type", [0, 9, 0, 1, 0]],
    ["cut short", [0, 1, 0, 9, 6, 0x6e]],
    ["with an id longer than the body", [0, 1, 0, 2, 6, 0x6e]],
    ["without a call", [0, 1, 0, 2, 1, 0x61]],
    ["without a callee", [0, 1, 0, 2, 0, 0xaa]],
    ["with an id that is none", [0, 1, 0, 3, 1, 0x2f, 0xaa]],
    ["that refuses more than it should", [0, 3, 0, 3, 1, 0x61, 0xaa]],
    ["of another format", [1, 1, 0, 3, 1, 0x61, 0xaa]],
  ])("one %s is nothing", (_what, bytes) => {
    expect(parseAgentMessage(Uint8Array.from(bytes))).toBeUndefined();
  });

  test("any bytes give a message or nothing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1_500 }), (bytes) => {
        parseAgentMessage(bytes);
        parseAgentMessage(Uint8Array.of(0, 1, 0, 20, ...bytes));
      }),
    );
  });
});
