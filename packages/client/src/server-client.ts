import { encodeBase64, encodeBase64Url } from "@asterism/core/bytes";
import {
  formatFingerprint,
  JOIN_PATH,
  JOIN_PREVIEW_PATH,
  type JoinPreviewRequest,
  type JoinPreviewResponse,
  type JoinRequest,
  type JoinResponse,
  joinProofBytes,
  LEAVE_PATH,
  type LeaveRequest,
  leaveProofBytes,
  type MachineSign,
  type NodeRecord,
  type Parser,
  PROTOCOL_VERSION,
  parseJoinPreviewResponse,
  parseJoinResponse,
  signNodeRecord,
} from "@asterism/core/control";
import { unwrap } from "@asterism/core/errors";
import { callJson } from "./json-call.ts";
import { type ConnectOptions, connectPinned, type PinnedServer, unreachable } from "./pinned-connection.ts";

export interface JoinOptions {
  /** The 20 secret bytes of the join key. */
  readonly secret: Uint8Array;
  /** Ed25519 public key, base64. */
  readonly machineKey: string;
  readonly sign: MachineSign;
  /** Device name: a DNS label. */
  readonly name: string;
  /** For the network that `previewJoin` named. */
  readonly record: NodeRecord;
  /** Name of the operating system, for people. */
  readonly os: string;
  readonly agentVersion: string;
}

/**
 * What an agent asks of its server by REST, each call on a connection of its own whose certificate is verified first.
 * Errors are `AsterismError`: those of the server's answer, `fingerprint-mismatch`, `server-unreachable`.
 */
export class ServerClient {
  readonly #server: PinnedServer;
  readonly #options: ConnectOptions;

  constructor(server: PinnedServer, options: ConnectOptions = {}) {
    this.#server = server;
    this.#options = options;
  }

  /**
   * What a join key would give; the key is not used up. A machine that may have used a one-time key before (the answer
   * was lost) says who it is by `machineKey` (base64), else the key is refused as used.
   */
  previewJoin(secret: Uint8Array, machineKey?: string): Promise<JoinPreviewResponse> {
    const body: JoinPreviewRequest = {
      keySecret: encodeBase64Url(secret),
      protocol: PROTOCOL_VERSION,
      ...(machineKey === undefined ? {} : { machineKey }),
    };
    return this.#post(JOIN_PREVIEW_PATH, body, parseJoinPreviewResponse);
  }

  /** Becomes a member. Safe to repeat when the answer was lost. */
  join(options: JoinOptions): Promise<JoinResponse> {
    const keySecret = encodeBase64Url(options.secret);
    const signed = signNodeRecord(options.record, options.sign);
    const proof = joinProofBytes(this.#fingerprint(), keySecret, options.name, signed.recordSignature);
    const body: JoinRequest = {
      protocol: PROTOCOL_VERSION,
      keySecret,
      machineKey: options.machineKey,
      name: options.name,
      ...signed,
      signature: encodeBase64(options.sign(proof)),
      os: options.os,
      agentVersion: options.agentVersion,
    };
    return this.#post(JOIN_PATH, body, parseJoinResponse);
  }

  /** Gives up a membership. Done also if it was given up before. */
  async leave(nodeId: string, machineKey: string, sign: MachineSign): Promise<void> {
    const signature = encodeBase64(sign(leaveProofBytes(this.#fingerprint(), nodeId)));
    const body: LeaveRequest = { nodeId, machineKey, signature };
    await this.#call(LEAVE_PATH, body);
  }

  async #post<T>(path: string, body: unknown, parse: Parser<T>): Promise<T> {
    return unwrap(parse(await this.#call(path, body)));
  }

  async #call(path: string, body: unknown): Promise<unknown> {
    const { url } = this.#server;
    const socket = await connectPinned(this.#server, this.#options);
    const transport = { kind: "socket", socket, host: new URL(url).host } as const;
    return callJson(transport, { method: "POST", path, body }, (cause) => unreachable(url, cause));
  }

  #fingerprint(): string {
    return formatFingerprint(this.#server.fingerprint);
  }
}
