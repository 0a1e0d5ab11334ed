import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeBase64, parseBase64 } from "@asterism/core/bytes";
import {
  createParser,
  MAX_NODE_RECORD_CHARACTERS,
  NetworkInfo,
  PeerInfo,
  RelaysMessage,
  TrafficModeName,
} from "@asterism/core/control";
import { unwrap } from "@asterism/core/errors";
import { LinkSettings } from "@asterism/core/local-api";
import { type Static, Type } from "typebox";
import { readJsonFile, writeJsonFile } from "./json-file.ts";

const Base64 = Type.String({ maxLength: 1024, pattern: "^[A-Za-z0-9+/]*={0,2}$" });

/** Links whose ports are remembered. */
export const MAX_LINK_PORTS = 32;

/** What is kept of one membership: enough to come up without the server. */
const MembershipFile = Type.Object({
  version: Type.Literal(1),
  /** False after `asterism down`. */
  enabled: Type.Boolean(),
  serverUrl: Type.String({ maxLength: 512 }),
  /** Proxy through which it is reached, with its password, or `none`; left out: what the agent or the environment names. */
  proxy: Type.Optional(Type.String({ maxLength: 1024 })),
  /** SHA-256 of the server's certificate, hex. */
  serverFingerprint: Type.String({ pattern: "^[0-9a-f]{64}$" }),
  nodeId: Type.String({ maxLength: 64 }),
  machineKey: Type.String({ maxLength: 64 }),
  /** WireGuard private key. */
  nodePrivateKey: Base64,
  /** Sequence of the last node record that this machine signed for the network. */
  recordSequence: Type.Integer({ minimum: 0 }),
  /** Ciphers that this record announces. */
  aeads: Type.Array(Type.String({ maxLength: 32 }), { maxItems: 8 }),
  /** What else it announces; left out by files of versions that announced nothing. */
  capabilities: Type.Optional(Type.Array(Type.String({ maxLength: 32 }), { maxItems: 16 })),
  /** A record that the server does not have yet: the node key was renewed while it could not be reached. */
  unpublishedRecord: Type.Union([
    Type.Object({
      record: Type.String({ maxLength: MAX_NODE_RECORD_CHARACTERS }),
      recordSignature: Type.String({ maxLength: 128 }),
    }),
    Type.Null(),
  ]),
  /** The network passphrase, stretched; null for none. */
  stretchedSecret: Type.Union([Base64, Type.Null()]),
  /** UDP port of the last run, so that endpoints that peers remember stay true. */
  port: Type.Integer({ minimum: 0, maximum: 65_535 }),
  /** Which links the network uses; left out by files of before there were several. */
  links: Type.Optional(LinkSettings),
  /** By the name of a link, its UDP port of the last run. */
  linkPorts: Type.Optional(
    Type.Record(Type.String({ maxLength: 45 }), Type.Integer({ minimum: 1, maximum: 65_535 }), {
      maxProperties: MAX_LINK_PORTS,
    }),
  ),
  network: NetworkInfo,
  self: Type.Object({
    name: Type.String({ maxLength: 63 }),
    fqdn: Type.String({ maxLength: 253 }),
    ipv4: Type.String({ maxLength: 15 }),
    ipv6: Type.String({ maxLength: 45 }),
  }),
  map: Type.Union([
    Type.Object({
      epoch: Type.String({ maxLength: 64 }),
      version: Type.Integer({ minimum: 0 }),
      peers: Type.Array(PeerInfo, { maxItems: 16_384 }),
    }),
    Type.Null(),
  ]),
  /** The network's relays with credentials, as the server last told; left out by files that knew of none. */
  relays: Type.Optional(RelaysMessage),
  /** By node id: how packets for the member use the paths to it, where that was chosen. */
  modes: Type.Optional(Type.Record(Type.String({ maxLength: 64 }), TrafficModeName)),
  /** By node id: the machine key seen first, and the highest record sequence. */
  pins: Type.Record(
    Type.String({ maxLength: 64 }),
    Type.Object({ machineKey: Type.String({ maxLength: 64 }), sequence: Type.Integer({ minimum: 0 }) }),
  ),
  /**
   * By node id: remote addresses that a direct path last worked with, or the peer's relayed ones (`relayed`) where none
   * did.
   */
  endpoints: Type.Record(
    Type.String({ maxLength: 64 }),
    Type.Array(
      Type.Object({
        address: Type.String({ maxLength: 45 }),
        port: Type.Integer({ minimum: 1, maximum: 65_535 }),
        relayed: Type.Optional(Type.Boolean()),
      }),
      { maxItems: 8 },
    ),
  ),
});

/** One membership as it is kept on disk; see the schema above for units and meaning. */
export type Membership = Static<typeof MembershipFile>;

const ConnectedFile = Type.Array(Type.String({ maxLength: 64 }), { maxItems: 16_384 });
const parseConnected = createParser("connected peers file", ConnectedFile);

const parseMembership = createParser("membership file", MembershipFile);

export interface LoadedMemberships {
  readonly memberships: Membership[];
  /** One sentence per file that could not be read, with where it is kept. */
  readonly problems: string[];
}

/** Folder of membership files, one per network, named by the network's id. */
export class MembershipStore {
  readonly #folder: string;

  constructor(stateDir: string) {
    this.#folder = join(stateDir, "networks");
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  load(): LoadedMemberships {
    const memberships: Membership[] = [];
    const problems: string[] = [];
    for (const file of readdirSync(this.#folder).filter((name) => name.endsWith(".json"))) {
      const content = readJsonFile(join(this.#folder, file), (value) => checkKeys(unwrap(parseMembership(value))));
      if (content.kind === "value") memberships.push(content.value);
      if (content.kind === "damaged") {
        problems.push(
          `a membership file was damaged (${content.reason}) and is kept as ${content.keptAs}. ` +
            "Restore it and restart the agent, or join that network again with a new key.",
        );
      }
    }
    return { memberships, problems };
  }

  save(membership: Membership): void {
    writeJsonFile(this.#path(membership.network.id), membership);
  }

  /**
   * Notes the node ids of the peers with a session: after a crash these take this node for connected. A small file of
   * its own, so that it can be written at each new connection; it is a hint, so a power failure may take it.
   */
  saveConnected(networkId: string, nodeIds: readonly string[]): void {
    const path = this.#connectedPath(networkId);
    writeFileSync(`${path}.new`, JSON.stringify(nodeIds), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  /** Empty if nothing is known. */
  loadConnected(networkId: string): string[] {
    const content = readJsonFile(this.#connectedPath(networkId), (value) => unwrap(parseConnected(value)));
    return content.kind === "value" ? content.value : [];
  }

  remove(networkId: string): void {
    rmSync(this.#path(networkId), { force: true });
    rmSync(this.#connectedPath(networkId), { force: true });
  }

  #connectedPath(networkId: string): string {
    return join(this.#folder, `${networkId}.connected`);
  }

  #path(networkId: string): string {
    return join(this.#folder, `${networkId}.json`);
  }
}

function checkKeys(membership: Membership): Membership {
  if (parseBase64(membership.nodePrivateKey)?.length !== 32) throw new Error("nodePrivateKey is not 32 bytes");
  return membership;
}

/** The form in which keys are kept. */
export function keyText(bytes: Uint8Array): string {
  return encodeBase64(bytes);
}
