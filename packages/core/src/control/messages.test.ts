import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ERROR_CODES } from "../errors/index.ts";
import { isLabel, toDeviceName } from "./device-name.ts";
import { controlProofBytes, joinProofBytes, leaveProofBytes } from "./proofs.ts";
import { agreeOnProtocol, PROTOCOL_VERSION } from "./protocol-version.ts";
import { parseJoinRequest } from "./rest.ts";
import { parseAgentMessage, parseServerMessage } from "./stream.ts";

const key = `${"A".repeat(43)}=`;
const signature = `${"A".repeat(86)}==`;
const network = {
  id: "net-a",
  name: "default",
  kind: "ip",
  ipv4Range: "100.64.0.0/10",
  ipv6Range: "fd00::/64",
  mtuBytes: 1420,
};
const member = {
  nodeId: "node-a",
  name: "a",
  fqdn: "a.admin.default.internal",
  ipv4: "100.64.0.1",
  ipv6: "fd00::6440:1",
  user: "admin",
  tags: [],
  ephemeral: false,
};
const peer = { kind: "agent", ...member, machineKey: key, record: "{}", recordSignature: signature };

const relay = {
  id: "relay-a",
  name: "turn.example",
  addresses: ["203.0.113.7", "2001:db8::7"],
  ports: { udp: 3478, tcp: 3478, tls: null },
  tlsName: "turn.example",
  tlsFingerprint: null,
  username: "1795043200:opaque",
  password: "c2VjcmV0",
  expiresAt: "2026-11-21T12:00:00.000Z",
};
const stunServer = { address: "203.0.113.7", port: 3478, alternatePort: null };
const pair = {
  peer: "node-b",
  kind: "direct",
  firstPingMs: 40.5,
  directMs: null,
  natA: "symmetric",
  natB: "full cone",
};

/** One valid message of each type, as it travels. */
const SERVER_MESSAGES = [
  { type: "hello", protocol: 1, nonce: key, serverTime: 1_795_000_000_000 },
  { type: "authenticated", protocol: 1, observedAddress: "203.0.113.5" },
  {
    type: "map",
    epoch: "e",
    version: 3,
    network,
    self: member,
    peers: [peer, { kind: "stock", ...member, nodeKey: key }],
  },
  { type: "delta", epoch: "e", fromVersion: 3, version: 4, upserts: [peer], removals: ["node-b"] },
  { type: "delta", epoch: "e", fromVersion: 3, version: 4, self: member, network, upserts: [], removals: [] },
  { type: "presence", full: true, online: ["node-a"], offline: [] },
  { type: "relays", relays: [relay, { ...relay, realm: "r", expiresAt: null }], stunServers: [stunServer] },
  { type: "relays", relays: [], stunServers: [] },
  { type: "call", from: "node-a", sealed: "c2VhbGVk" },
  { type: "call-failed", to: "node-a", reason: "offline" },
  { type: "done", requestId: 1 },
  { type: "error", code: "name-taken", message: "m", requestId: null },
  { type: "restarting", reconnectAfterMs: 500 },
  { type: "ping" },
  { type: "pong" },
];
const AGENT_MESSAGES = [
  { type: "authenticate", protocol: 1, nodeId: "node-a", signature, resume: null },
  {
    type: "authenticate",
    protocol: 1,
    nodeId: "node-a",
    signature,
    resume: { epoch: "e", version: 3 },
    agentVersion: "1",
  },
  { type: "call", to: "node-a", sealed: "c2VhbGVk" },
  { type: "record", requestId: 1, record: "{}", recordSignature: signature },
  { type: "rename", requestId: 2, name: "web-2" },
  { type: "leave", requestId: 3 },
  {
    type: "offer-relay",
    requestId: 4,
    relay: {
      addresses: ["203.0.113.5"],
      ports: { udp: 3478, tcp: null },
      alternateUdpPort: 3479,
      secret: "sixteen-letters-",
      realm: "asterism",
    },
  },
  { type: "offer-relay", requestId: 5, relay: null },
  { type: "report", pairs: [pair] },
  { type: "ping" },
  { type: "pong" },
];

describe("stream messages", () => {
  it.each(SERVER_MESSAGES)("of the server are taken: $type", (message) => {
    expect(parseServerMessage(message)).toEqual({ ok: true, value: message });
    expect(parseServerMessage({ ...message, future: { a: 1 } }).ok).toBe(true);
  });

  it.each(AGENT_MESSAGES)("of the agent are taken: $type", (message) => {
    expect(parseAgentMessage(message)).toEqual({ ok: true, value: message });
    expect(parseAgentMessage({ ...message, future: [1] }).ok).toBe(true);
  });

  it("without any one of their fields are refused", () => {
    for (const [parse, messages] of [
      [parseServerMessage, SERVER_MESSAGES],
      [parseAgentMessage, AGENT_MESSAGES],
    ] as const) {
      for (const message of messages) {
        for (const field of Object.keys(message)) {
          if (["self", "network", "agentVersion"].includes(field) && message.type !== "map") continue;
          const { [field]: _, ...rest } = message as Record<string, unknown>;
          expect([message.type, field, parse(rest).ok]).toEqual([message.type, field, false]);
        }
      }
    }
  });

  it.each([
    [{ type: "call", to: "node-a", sealed: "A".repeat(16_385) }, "sealed must not have more than 16384 characters"],
    [{ type: "call", to: "node-a", sealed: "not base64" }, "sealed must match"],
    [{ type: "rename", requestId: 1, name: "Big" }, "name must match"],
    [{ type: "rename", requestId: 1, name: "a".repeat(64) }, "name must not have more than 63"],
    [{ type: "rename", requestId: -1, name: "a" }, "requestId must be >= 0"],
    [{ type: "leave", requestId: 1.5 }, "requestId must be integer"],
    [{ type: "toString" }, "type is unknown"],
    [{ type: 5 }, "type must be a string"],
    [null, "type must be a string"],
    [[], "type must be a string"],
  ])("say where they are wrong: %j", (message, problem) => {
    const result = parseAgentMessage(message);
    expect(result.ok ? "ok" : result.error.message).toContain(problem);
  });

  it.each([
    [{ relays: Array.from({ length: 17 }, () => relay) }, "relays must not have more than 16 items"],
    [{ relays: [{ ...relay, addresses: [] }] }, "relays/0/addresses must not have fewer than 1"],
    [
      { relays: [{ ...relay, addresses: Array.from({ length: 9 }, () => "::1") }] },
      "addresses must not have more than 8",
    ],
    [{ relays: [{ ...relay, addresses: ["turn.example"] }] }, "relays/0/addresses/0 must match"],
    [{ relays: [{ ...relay, ports: { udp: 0, tcp: null, tls: null } }] }, "relays/0/ports/udp"],
    [{ relays: [{ ...relay, username: "" }] }, "relays/0/username"],
    [{ relays: [{ ...relay, password: "a".repeat(257) }] }, "relays/0/password"],
    [{ relays: [{ ...relay, tlsFingerprint: "AB" }] }, "relays/0/tlsFingerprint"],
    [{ stunServers: [{ ...stunServer, alternatePort: 65_536 }] }, "stunServers/0/alternatePort"],
    [{ stunServers: Array.from({ length: 129 }, () => stunServer) }, "stunServers must not have more than 128"],
  ])("about relays are bounded: %j", (fields, problem) => {
    const result = parseServerMessage({ type: "relays", relays: [relay], stunServers: [stunServer], ...fields });
    expect(result.ok ? "ok" : result.error.message).toContain(problem);
  });

  it.each([
    [[], "pairs must not have fewer than 1"],
    [Array.from({ length: 65 }, () => pair), "pairs must not have more than 64"],
    [[{ ...pair, firstPingMs: -1 }], "pairs/0/firstPingMs"],
    [[{ ...pair, directMs: Number.POSITIVE_INFINITY }], "pairs/0/directMs"],
    [[{ ...pair, kind: "both" }], "pairs/0/kind"],
    [[{ ...pair, natA: "a label\n" }], "pairs/0/natA"],
    [[{ ...pair, natB: "a".repeat(33) }], "pairs/0/natB"],
  ])("that report are bounded: %#", (pairs, problem) => {
    const result = parseAgentMessage({ type: "report", pairs });
    expect(result.ok ? "ok" : result.error.message).toContain(problem);
  });

  it("of unknown types can be told from broken ones", () => {
    const unknown = parseServerMessage({ type: "teleport" });
    expect(!unknown.ok && unknown.error.details["unknownType"]).toBe(true);
    const broken = parseServerMessage({ type: "map" });
    expect(!broken.ok && broken.error.details["unknownType"]).toBeUndefined();
  });

  it("of any shape never make the parsers throw", () => {
    const type = fc.constantFrom(...SERVER_MESSAGES.map((message) => message.type), "__proto__", "constructor");
    fc.assert(
      fc.property(fc.anything(), type, fc.dictionary(fc.string(), fc.anything()), (anything, name, fields) => {
        for (const parse of [parseServerMessage, parseAgentMessage]) {
          parse(anything);
          parse({ ...fields, type: name });
        }
      }),
    );
  });
});

describe("REST bodies", () => {
  it("bound every string", () => {
    const request = {
      protocol: 1,
      keySecret: "A".repeat(27),
      machineKey: key,
      name: "a",
      record: "{}",
      recordSignature: signature,
      signature,
      os: "linux",
      agentVersion: "1",
    };
    expect(parseJoinRequest(request).ok).toBe(true);
    for (const field of Object.keys(request).filter((name) => name !== "protocol")) {
      expect([field, parseJoinRequest({ ...request, [field]: "a".repeat(5000) }).ok]).toEqual([field, false]);
    }
  });
});

describe("proofs", () => {
  it("are the documented texts, each of its own kind", () => {
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    expect(text(controlProofBytes("f", "n", "id"))).toBe("asterism control v1\nf\nn\nid");
    expect(text(joinProofBytes("f", "s", "name", "r"))).toBe("asterism join v1\nf\ns\nname\nr");
    expect(text(leaveProofBytes("f", "id"))).toBe("asterism leave v1\nf\nid");
  });
});

describe("protocol versions", () => {
  it("agree on the lower one, down to the oldest that works", () => {
    expect(agreeOnProtocol(PROTOCOL_VERSION + 5)).toEqual({ ok: true, value: PROTOCOL_VERSION });
    const old = agreeOnProtocol(0);
    expect(!old.ok && old.error.code).toBe("protocol-unsupported");
  });
});

describe("device names", () => {
  it.each([
    ["MacBook-Pro.local", "macbook-pro"],
    ["web_01", "web-01"],
    ["--x--", "x"],
    ["日本", "device"],
    ["", "device"],
    ["a".repeat(80), "a".repeat(63)],
    [`${"a".repeat(62)}-b`, "a".repeat(62)],
  ])("come from the host name %j", (hostname, name) => {
    expect(toDeviceName(hostname)).toBe(name);
  });

  it("are labels, whatever the host is called", () => {
    fc.assert(
      fc.property(fc.string(), (hostname) => {
        expect(isLabel(toDeviceName(hostname))).toBe(true);
      }),
    );
  });
});

it("error codes are kebab-case words", () => {
  for (const code of ERROR_CODES) expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
});
