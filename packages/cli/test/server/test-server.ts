import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AdminClient, type JoinOptions, ServerClient } from "@asterism/client";
import { encodeBase64 } from "@asterism/core/bytes";
import {
  type CreateKeyRequest,
  type JoinResponse,
  type MachineSign,
  type NodeRecord,
  PROTOCOL_VERSION,
  parseJoinKey,
  type SignedNodeRecord,
  signNodeRecord,
} from "@asterism/core/control";
import { unwrap } from "@asterism/core/errors";
import { type RunningServer, type ServerOptions, startServer } from "@asterism/server";

/** A real server on loopback, on a data folder of its own. */
export interface TestServer {
  readonly server: RunningServer;
  readonly admin: AdminClient;
  readonly dataDir: string;
  /** A join key as text. */
  key(request?: CreateKeyRequest): Promise<string>;
  /** Stops the server and starts it again on the same data and port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startTestServer(options: ServerOptions = {}): Promise<TestServer> {
  const dataDir = await mkdtemp(join(tmpdir(), "asterism-server-"));
  const start = (listen: string) => startServer({ dataDir, listen, relay: "none", logLevel: "silent", ...options });
  let server = await start("127.0.0.1:0");
  let admin = new AdminClient({ kind: "socket", path: server.adminSocketPath });
  return {
    get server() {
      return server;
    },
    get admin() {
      return admin;
    },
    dataDir,
    key: async (request = { reusable: true }) => (await admin.createKey(request)).key,
    restart: async () => {
      await server.close();
      server = await start(`127.0.0.1:${server.port}`);
      admin = new AdminClient({ kind: "socket", path: server.adminSocketPath });
    },
    close: async () => {
      await server.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A machine with its long-lived key. */
export interface Machine {
  readonly machineKey: string;
  readonly sign: MachineSign;
}

export function createMachine(): Machine {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return { machineKey: encodeBase64(rawPublicKey(publicKey)), sign: (message) => sign(null, message, privateKey) };
}

/** A public key as X25519 has them; the server can't tell and does not care. */
export function createNodeKey(): string {
  return encodeBase64(rawPublicKey(generateKeyPairSync("x25519").publicKey));
}

function rawPublicKey(key: KeyObject): Uint8Array {
  return new Uint8Array(Buffer.from(key.export({ format: "jwk" }).x ?? "", "base64url"));
}

export function createRecord(networkId: string, sequence = 1, nodeKey = createNodeKey()): NodeRecord {
  return { networkId, nodeKey, sequence, aeads: ["aes-256-gcm"], agentVersion: "test", protocol: PROTOCOL_VERSION };
}

export function createSignedRecord(machine: Machine, networkId: string, sequence: number): SignedNodeRecord {
  return signNodeRecord(createRecord(networkId, sequence), machine.sign);
}

/** Joins by a key as an agent does: look at the key, then use it. */
export async function joinWith(
  keyText: string,
  machine: Machine,
  name: string,
  overrides: Partial<JoinOptions> = {},
): Promise<JoinResponse> {
  const key = unwrap(parseJoinKey(keyText));
  const client = new ServerClient(key);
  const { network } = await client.previewJoin(key.secret, machine.machineKey);
  return await client.join({
    secret: key.secret,
    ...machine,
    name,
    record: createRecord(network.id),
    os: "linux",
    agentVersion: "test",
    ...overrides,
  });
}

/** The error that a promise rejects with; fails if it does not. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("the promise did not reject");
}
