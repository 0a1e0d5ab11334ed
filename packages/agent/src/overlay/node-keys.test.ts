import { parseBase64 } from "@asterism/core/bytes";
import { verifyNodeRecord } from "@asterism/core/control";
import { generateMachineKeyPair } from "@asterism/core/identity";
import { expect, test } from "vitest";
import { nodeCrypto } from "../platform/node-crypto.ts";
import { systemRandom } from "../platform/random.ts";
import type { Membership } from "../state/membership.ts";
import { announcesAll, createNodeKey, renewNodeKey } from "./node-keys.ts";

const machine = generateMachineKeyPair(nodeCrypto, systemRandom);
const first = createNodeKey(nodeCrypto, "net-1", 0, []);
const membership = {
  nodePrivateKey: first.nodePrivateKey,
  recordSequence: first.recordSequence,
  aeads: first.aeads,
  capabilities: first.capabilities,
  unpublishedRecord: null,
  network: { id: "net-1" },
} as unknown as Membership; // SAFETY: the functions under test read these fields only

test("other ciphers make another key, and its record waits signed to be published", () => {
  expect(announcesAll(membership, [])).toBe(true);
  expect(announcesAll({ ...membership, capabilities: undefined } as unknown as Membership, [])).toBe(false);
  expect(announcesAll(membership, ["aes-256-gcm"])).toBe(false);
  const renewed = renewNodeKey(membership, machine, nodeCrypto, ["aes-256-gcm"]);
  expect(announcesAll(renewed, ["aes-256-gcm"])).toBe(true);
  expect(renewed.nodePrivateKey).not.toBe(membership.nodePrivateKey);
  expect(renewed.recordSequence).toBeGreaterThan(membership.recordSequence);
  const record = verifyNodeRecord(renewed.unpublishedRecord!, machine.publicKey, "net-1", (key, message, signature) =>
    nodeCrypto.ed25519Verify(key, message, signature),
  );
  const publicKey = nodeCrypto.x25519PublicKey(parseBase64(renewed.nodePrivateKey)!);
  expect(record).toMatchObject({
    ok: true,
    value: { aeads: ["aes-256-gcm"], capabilities: ["multipath"], sequence: renewed.recordSequence },
  });
  expect(record.ok && parseBase64(record.value.nodeKey)).toEqual(publicKey);
});

test("the sequence rises also where the clock went back", () => {
  const later = Date.now() + 86_400_000;
  expect(createNodeKey(nodeCrypto, "net-1", later, []).recordSequence).toBe(later + 1);
});
