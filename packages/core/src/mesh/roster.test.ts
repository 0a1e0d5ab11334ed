import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { nobleCrypto } from "../../test/noble-crypto.ts";
import { type AgentPeerInfo, signNodeRecord } from "../control/index.ts";
import { generateMachineKeyPair, generateNodeKeyPair, type MachineKeyPair } from "../identity/index.ts";
import { Roster } from "./roster.ts";

const random = (sizeBytes: number): Uint8Array => randomBytes(sizeBytes);
const NETWORK = "net-1";

interface MemberOptions {
  readonly machine?: MachineKeyPair;
  readonly nodeId?: string;
  readonly sequence?: number;
  readonly networkId?: string;
  readonly signedBy?: MachineKeyPair;
}

function member(options: MemberOptions = {}): AgentPeerInfo {
  const machine = options.machine ?? generateMachineKeyPair(nobleCrypto, random);
  const signer = options.signedBy ?? machine;
  const record = {
    networkId: options.networkId ?? NETWORK,
    nodeKey: generateNodeKeyPair(nobleCrypto, random).publicKey,
    sequence: options.sequence ?? 1,
    aeads: [],
    agentVersion: "1",
    protocol: 1,
  };
  return {
    kind: "agent",
    nodeId: options.nodeId ?? "node-b",
    name: "b",
    fqdn: "b.admin.default.internal",
    ipv4: "100.64.0.3",
    ipv6: "fd00::3",
    user: "admin",
    tags: [],
    ephemeral: false,
    machineKey: machine.publicKey,
    ...signNodeRecord(record, (message) => nobleCrypto.ed25519Sign(signer.privateKey, message)),
  };
}

describe("Roster", () => {
  test("accepts a member whose machine signed its node key, and pins the machine", () => {
    const roster = new Roster(NETWORK, nobleCrypto, new Map());
    const b = member();
    const change = roster.replace([b]);
    expect(change.upserted.map(({ nodeId }) => nodeId)).toEqual(["node-b"]);
    expect(roster.pins.get("node-b")).toEqual({ machineKey: b.machineKey, sequence: 1 });
  });

  test("refuses a node key that another machine signed", () => {
    const roster = new Roster(NETWORK, nobleCrypto, new Map());
    roster.replace([member({ signedBy: generateMachineKeyPair(nobleCrypto, random) })]);
    expect(roster.peers.size).toBe(0);
    expect(roster.refused.get("node-b")?.reason).toContain("signature");
  });

  test("refuses a record made for another network", () => {
    const roster = new Roster(NETWORK, nobleCrypto, new Map());
    roster.replace([member({ networkId: "net-2" })]);
    expect(roster.peers.size).toBe(0);
  });

  test("refuses another machine behind a known node id, and drops the peer until the pinned one is back", () => {
    const roster = new Roster(NETWORK, nobleCrypto, new Map());
    const genuine = member();
    roster.replace([genuine]);
    const change = roster.apply([member({ sequence: 2 })], []);
    expect(change).toEqual({ upserted: [], removed: ["node-b"] });
    expect(roster.refused.get("node-b")?.reason).toContain("not the one seen at first");
    expect(roster.apply([genuine], []).upserted).toHaveLength(1);
    expect(roster.refused.size).toBe(0);
  });

  test("refuses an older record of the same machine, as kept over a restart", () => {
    const machine = generateMachineKeyPair(nobleCrypto, random);
    const pins = new Map([["node-b", { machineKey: machine.publicKey as string, sequence: 5 }]]);
    const roster = new Roster(NETWORK, nobleCrypto, pins);
    roster.replace([member({ machine, sequence: 4 })]);
    expect(roster.refused.get("node-b")?.reason).toContain("older key");
    roster.replace([member({ machine, sequence: 6 })]);
    expect(roster.pins.get("node-b")?.sequence).toBe(6);
  });

  test("who is not in a whole map is gone, with its pin", () => {
    const roster = new Roster(NETWORK, nobleCrypto, new Map());
    roster.replace([member(), member({ nodeId: "node-c" })]);
    expect(roster.replace([member({ nodeId: "node-d" })]).removed).toEqual(["node-b", "node-c"]);
    expect([...roster.pins.keys()]).toEqual(["node-d"]);
  });

  test("a stock client needs no signature, but a key", () => {
    const roster = new Roster(NETWORK, nobleCrypto, new Map());
    const { machineKey: _m, record: _r, recordSignature: _s, ...common } = member();
    roster.replace([
      { ...common, kind: "stock", nodeKey: generateNodeKeyPair(nobleCrypto, random).publicKey },
      { ...common, nodeId: "node-c", kind: "stock", nodeKey: `${"A".repeat(42)}%=` },
    ]);
    expect([...roster.peers.keys()]).toEqual(["node-b"]);
    expect([...roster.refused.keys()]).toEqual(["node-c"]);
  });
});
