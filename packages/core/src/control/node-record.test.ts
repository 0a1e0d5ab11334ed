import { ed25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeBase64 } from "../bytes/index.ts";
import { type NodeRecord, signNodeRecord, verifyNodeRecord } from "./node-record.ts";

const seed = new Uint8Array(32).fill(7);
const machineKey = encodeBase64(ed25519.getPublicKey(seed));
const sign = (message: Uint8Array) => ed25519.sign(message, seed);
const verify = (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => {
  try {
    return ed25519.verify(signature, message, key);
  } catch {
    return false; // noble throws on bytes that are not a point
  }
};
const record: NodeRecord = {
  networkId: "net-a",
  nodeKey: encodeBase64(new Uint8Array(32).fill(9)),
  sequence: 5,
  aeads: ["aes-256-gcm"],
  agentVersion: "0.1.0",
  protocol: 1,
};
const signed = signNodeRecord(record, sign);
const codeOf = (result: ReturnType<typeof verifyNodeRecord>) => (result.ok ? "ok" : result.error.code);

describe("node record", () => {
  it("is verified over the exact text", () => {
    expect(verifyNodeRecord(signed, machineKey, "net-a", verify)).toEqual({ ok: true, value: record });
    const spaced = { ...signed, record: signed.record.replace("{", "{ ") };
    expect(codeOf(verifyNodeRecord(spaced, machineKey, "net-a", verify))).toBe("signature-invalid");
  });

  it("is Ed25519 over the context line and the text", () => {
    const message = new TextEncoder().encode(`asterism node record v1\n${signed.record}`);
    expect(signed.recordSignature).toBe(encodeBase64(ed25519.sign(message, seed)));
  });

  it("keeps fields that this version does not know", () => {
    const future = signNodeRecord({ ...record, mood: "curious" } as NodeRecord, sign);
    expect(codeOf(verifyNodeRecord(future, machineKey, "net-a", verify))).toBe("ok");
  });

  it("of another machine, for another network, or malformed is refused", () => {
    const other = encodeBase64(ed25519.getPublicKey(new Uint8Array(32).fill(8)));
    expect(codeOf(verifyNodeRecord(signed, other, "net-a", verify))).toBe("signature-invalid");
    expect(codeOf(verifyNodeRecord(signed, machineKey, "net-b", verify))).toBe("signature-invalid");
    expect(codeOf(verifyNodeRecord(signed, "AAAA", "net-a", verify))).toBe("signature-invalid");
    for (const bad of [
      { ...record, nodeKey: "short" },
      { ...record, sequence: -1 },
      { ...record, aeads: Array(9).fill("x") },
    ]) {
      const text = signNodeRecord(bad as NodeRecord, sign);
      expect(codeOf(verifyNodeRecord(text, machineKey, "net-a", verify))).toBe("invalid-input");
    }
    const long = signNodeRecord({ ...record, agentVersion: "x".repeat(5000) }, sign);
    expect(codeOf(verifyNodeRecord(long, machineKey, "net-a", verify))).toBe("too-large");
  });

  it("takes any text and signature without throwing", () => {
    fc.assert(
      fc.property(fc.string(), fc.base64String(), fc.base64String(), (text, signature, key) => {
        expect(codeOf(verifyNodeRecord({ record: text, recordSignature: signature }, key, "net-a", verify))).toBe(
          "signature-invalid",
        );
      }),
      { numRuns: 50 },
    );
  });
});
