import {
  ADMIN_PATH,
  type AdminDevice,
  type AdminKey,
  type AdminNetwork,
  type AdminRelay,
  type AdminToken,
  type AdminUser,
  type ChangeNetworkRequest,
  type CreateKeyRequest,
  type CreateKeyResponse,
  type CreateNetworkRequest,
  type CreateRelayRequest,
  type CreateTokenRequest,
  type CreateTokenResponse,
  type Parser,
  parseAdminDevice,
  parseAdminDeviceList,
  parseAdminKeyList,
  parseAdminNetwork,
  parseAdminNetworkList,
  parseAdminRelay,
  parseAdminRelayList,
  parseAdminTokenList,
  parseAdminUser,
  parseAdminUserList,
  parseCreateKeyResponse,
  parseCreateTokenResponse,
  parseServerInfo,
  type ServerInfo,
} from "@asterism/core/control";
import { AsterismError, unwrap } from "@asterism/core/errors";
import type { Dialer } from "./dialer.ts";
import { callJson, type JsonCall } from "./json-call.ts";
import { connectPinned, unreachable } from "./pinned-connection.ts";

/** How to reach the admin API. */
export type AdminAccess =
  /** The unix socket of a server on this machine. */
  | { readonly kind: "socket"; readonly path: string }
  /** A server anywhere, with a token; its certificate must have this SHA-256 fingerprint (32 bytes). */
  | {
      readonly kind: "url";
      readonly url: string;
      readonly token: string;
      readonly fingerprint: Uint8Array;
      /** Goes through proxies; without one the connection is direct. */
      readonly dialer?: Dialer;
    };

/** Typed client of the admin API. Every method throws `AsterismError`. Things are named by id or by name. */
export class AdminClient {
  readonly #access: AdminAccess;

  constructor(access: AdminAccess) {
    this.#access = access;
  }

  info(): Promise<ServerInfo> {
    return this.#read({ method: "GET", path: "/info" }, parseServerInfo);
  }

  async listNetworks(): Promise<AdminNetwork[]> {
    return (await this.#read({ method: "GET", path: "/networks" }, parseAdminNetworkList)).items;
  }

  getNetwork(network: string): Promise<AdminNetwork> {
    return this.#read({ method: "GET", path: `/networks/${segment(network)}` }, parseAdminNetwork);
  }

  createNetwork(body: CreateNetworkRequest): Promise<AdminNetwork> {
    return this.#read({ method: "POST", path: "/networks", body }, parseAdminNetwork);
  }

  /** Changes settings of the network; what is left out stays as it is. */
  changeNetwork(network: string, body: ChangeNetworkRequest): Promise<AdminNetwork> {
    return this.#read({ method: "PATCH", path: `/networks/${segment(network)}`, body }, parseAdminNetwork);
  }

  /** Deletes the network with its keys; with `force` also if it has devices. */
  async deleteNetwork(network: string, force: boolean): Promise<void> {
    await this.#call({ method: "DELETE", path: `/networks/${segment(network)}${force ? "?force=true" : ""}` });
  }

  async listUsers(): Promise<AdminUser[]> {
    return (await this.#read({ method: "GET", path: "/users" }, parseAdminUserList)).items;
  }

  createUser(name: string): Promise<AdminUser> {
    return this.#read({ method: "POST", path: "/users", body: { name } }, parseAdminUser);
  }

  async deleteUser(user: string): Promise<void> {
    await this.#call({ method: "DELETE", path: `/users/${segment(user)}` });
  }

  async listKeys(network?: string): Promise<AdminKey[]> {
    return (await this.#read({ method: "GET", path: `/keys${inNetwork(network)}` }, parseAdminKeyList)).items;
  }

  createKey(body: CreateKeyRequest): Promise<CreateKeyResponse> {
    return this.#read({ method: "POST", path: "/keys", body }, parseCreateKeyResponse);
  }

  async revokeKey(id: string): Promise<void> {
    await this.#call({ method: "DELETE", path: `/keys/${segment(id)}` });
  }

  async listDevices(network?: string): Promise<AdminDevice[]> {
    return (await this.#read({ method: "GET", path: `/devices${inNetwork(network)}` }, parseAdminDeviceList)).items;
  }

  getDevice(device: string, network?: string): Promise<AdminDevice> {
    return this.#read({ method: "GET", path: `/devices/${segment(device)}${inNetwork(network)}` }, parseAdminDevice);
  }

  renameDevice(device: string, name: string, network?: string): Promise<AdminDevice> {
    const path = `/devices/${segment(device)}${inNetwork(network)}`;
    return this.#read({ method: "PATCH", path, body: { name } }, parseAdminDevice);
  }

  async removeDevice(device: string, network?: string): Promise<void> {
    await this.#call({ method: "DELETE", path: `/devices/${segment(device)}${inNetwork(network)}` });
  }

  async listTokens(): Promise<AdminToken[]> {
    return (await this.#read({ method: "GET", path: "/tokens" }, parseAdminTokenList)).items;
  }

  createToken(body: CreateTokenRequest): Promise<CreateTokenResponse> {
    return this.#read({ method: "POST", path: "/tokens", body }, parseCreateTokenResponse);
  }

  async revokeToken(id: string): Promise<void> {
    await this.#call({ method: "DELETE", path: `/tokens/${segment(id)}` });
  }

  /** The relays of one network or of all, the server's own among them. */
  async listRelays(network?: string): Promise<AdminRelay[]> {
    return (await this.#read({ method: "GET", path: `/relays${inNetwork(network)}` }, parseAdminRelayList)).items;
  }

  addRelay(body: CreateRelayRequest): Promise<AdminRelay> {
    return this.#read({ method: "POST", path: "/relays", body }, parseAdminRelay);
  }

  /** By id or by host. */
  async removeRelay(relay: string, network?: string): Promise<void> {
    await this.#call({ method: "DELETE", path: `/relays/${segment(relay)}${inNetwork(network)}` });
  }

  async #read<T>(call: JsonCall, parse: Parser<T>): Promise<T> {
    return unwrap(parse(await this.#call(call)));
  }

  async #call(call: JsonCall): Promise<unknown> {
    const access = this.#access;
    const full = { ...call, path: ADMIN_PATH + call.path };
    if (access.kind === "socket") {
      return callJson({ kind: "unix", path: access.path }, full, (cause) => socketError(access.path, cause));
    }
    const socket = await connectPinned(access, access.dialer === undefined ? {} : { dialer: access.dialer });
    const headers = { authorization: `Bearer ${access.token}` };
    return callJson({ kind: "socket", socket, host: new URL(access.url).host }, { ...full, headers }, (cause) =>
      unreachable(access.url, cause),
    );
  }
}

function segment(text: string): string {
  return encodeURIComponent(text);
}

function inNetwork(network: string | undefined): string {
  return network === undefined ? "" : `?network=${encodeURIComponent(network)}`;
}

function socketError(path: string, cause: NodeJS.ErrnoException): AsterismError {
  if (cause.code === "EACCES" || cause.code === "EPERM") {
    return new AsterismError(
      "permission-denied",
      `Not allowed to use ${path}: run this as root or as the server's user.`,
      {
        cause,
      },
    );
  }
  if (cause.code === "ENOENT" || cause.code === "ECONNREFUSED") {
    return new AsterismError(
      "server-unreachable",
      `No server answers at ${path}. Start one with \`asterism server\`, or say where it is: --data DIR, or --url URL --token T --fingerprint F.`,
      { cause },
    );
  }
  return unreachable(path, cause);
}
