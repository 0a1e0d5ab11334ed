/**
 * Who may import whom. The reason stands beside each entry: whoever wants another one argues with the reason first.
 *
 * Tests (`*.test.ts`, `test/`) may use the lab as well; nothing else may.
 */
export interface RoomRule {
  /** Rooms that code of this room may import, each with the reason. */
  readonly mayImport: Readonly<Record<string, string>>;
}

export const SCOPE = "@asterism/";

export const ROOMS: Readonly<Record<string, RoomRule>> = {
  core: { mayImport: {} },
  engine: {
    mayImport: { core: "the contract speaks of links, addresses and instants, and fails with the errors of the core" },
  },
  relay: {
    mayImport: {
      core: "the TURN and STUN formats and machines",
      engine: "relayed packets are forwarded in the packet engine",
    },
  },
  agent: {
    mayImport: {
      core: "the machines that the daemon drives",
      engine: "its data plane",
      client: "the server's API, which the agent uses as any other client does",
      relay: "a member with a public address may offer to relay",
    },
  },
  server: {
    mayImport: {
      core: "control messages, addresses and policy",
      relay: "the relay runs inside the server by default",
    },
  },
  client: { mayImport: { core: "shapes of requests and answers, and the error table" } },
  cli: {
    mayImport: {
      core: "errors and their exit codes",
      client: "everything the commands ask for",
      agent: "`asterism agent` starts the daemon",
      server: "`asterism server` starts the server",
      relay: "`asterism relay` starts a relay",
    },
  },
  portal: {
    mayImport: {
      client: "everything the portal asks for",
      core: "the policy compiler, to show who gains and who loses reach before a policy is saved",
    },
  },
  lab: {
    mayImport: {
      core: "simulated networks and measurements drive the real parts",
      engine: "simulated networks and measurements drive the real parts",
      relay: "simulated networks and measurements drive the real parts",
      agent: "simulated networks and measurements drive the real parts",
      server: "simulated networks and measurements drive the real parts",
      client: "simulated networks and measurements drive the real parts",
      cli: "simulated networks and measurements drive the real parts",
    },
  },
};

/** The room that never runs at a user's. */
export const TEST_ROOM = "lab";

/** Third-party packages that the pure room may use: pure themselves, and free of `node:*`. */
export const CORE_PACKAGES: Readonly<Record<string, string>> = {
  "@noble/hashes": "BLAKE2s, HKDF",
  "@noble/ciphers": "ChaCha20-Poly1305 of handshakes",
  "@noble/curves": "X25519, Ed25519",
  typebox: "schemas of messages",
};
