import { hostname } from "node:os";
import { type JoinOptions, ServerClient } from "@asterism/client";
import {
  formatFingerprint,
  isLabel,
  type JoinPreviewResponse,
  type JoinResponse,
  parseFingerprint,
  parseJoinKey,
  toDeviceName,
} from "@asterism/core/control";
import { AsterismError, isAsterismError, unwrap } from "@asterism/core/errors";
import type { Crypto, MachineKeyPair } from "@asterism/core/identity";
import type { JoinBody } from "@asterism/core/local-api";
import type { Aead } from "@asterism/core/mesh";
import { VERSION } from "@asterism/core/version";
import type { Logger } from "pino";
import { changeLinkSettings } from "../links/check-settings.ts";
import { stretchPassphrase } from "../platform/passphrase.ts";
import { checkRangeConflict } from "../platform/routes.linux.ts";
import { keyText, type Membership } from "../state/membership.ts";
import { networkDialer } from "./network-dialer.ts";
import { createNodeKey } from "./node-keys.ts";
import type { OverlayNetwork } from "./overlay-network.ts";

const MAX_NAME_ATTEMPTS = 10;

export interface EnrolmentContext {
  readonly machine: MachineKeyPair;
  readonly crypto: Crypto;
  /** Ciphers of transport data to announce beyond ChaCha20-Poly1305. */
  readonly aeads: readonly Aead[];
  /** By network id. */
  readonly networks: ReadonlyMap<string, OverlayNetwork>;
  readonly ownInterfaces: () => Set<string>;
  /** The proxy that this agent was told to use. */
  readonly proxy: string | undefined;
  readonly logger: Logger;
}

/**
 * Makes this machine a member of the network that the key is for. What can be refused on this side is refused before
 * the key is used up.
 */
export async function joinNetwork(body: JoinBody, context: EnrolmentContext): Promise<Membership> {
  const key = unwrap(parseJoinKey(body.key));
  const name = deviceName(body.name);
  const wishedLinks = body.links && changeLinkSettings({}, body.links, context.ownInterfaces());
  const dialer = networkDialer(body.proxy ?? context.proxy, context.logger);
  const client = new ServerClient({ url: key.url, fingerprint: key.fingerprint }, { dialer });
  const preview = await client.previewJoin(key.secret, context.machine.publicKey);
  const former = context.networks.get(preview.network.id);
  await checkRanges(preview, former, context);
  const links = wishedLinks ?? former?.membership.links;

  const { machine, crypto } = context;
  const { record, ...keyFields } = createNodeKey(
    crypto,
    preview.network.id,
    former?.membership.recordSequence ?? 0,
    context.aeads,
  );
  const stretched = body.secret === undefined ? null : await stretchPassphrase(body.secret, preview.network.id);
  const request: JoinOptions = {
    secret: key.secret,
    machineKey: machine.publicKey,
    sign: (message) => crypto.ed25519Sign(machine.privateKey, message),
    name,
    record,
    os: process.platform,
    agentVersion: VERSION,
  };
  // A name that the user chose is a wish to be refused; the host's name is only a proposal.
  const joined = body.name === undefined ? await joinUnderFreeName(client, request) : await client.join(request);
  return {
    version: 1,
    enabled: true,
    serverUrl: key.url,
    serverFingerprint: formatFingerprint(key.fingerprint),
    nodeId: joined.nodeId,
    machineKey: machine.publicKey,
    ...keyFields,
    unpublishedRecord: null,
    stretchedSecret: stretched === null ? null : keyText(stretched),
    port: former?.membership.port ?? 0,
    ...(links === undefined ? {} : { links }),
    network: joined.network,
    self: joined.self,
    map: null,
    ...(body.proxy === undefined ? {} : { proxy: body.proxy }),
    pins: former?.membership.pins ?? {},
    endpoints: {},
    ...(former?.membership.modes === undefined ? {} : { modes: former.membership.modes }),
  };
}

/** Joins under the name that the server proposes as long as the one asked for is taken. */
async function joinUnderFreeName(client: ServerClient, request: JoinOptions): Promise<JoinResponse> {
  let { name } = request;
  for (let attempt = 1; ; attempt++) {
    try {
      return await client.join({ ...request, name });
    } catch (error) {
      // Others may join at the same moment and take the proposal first.
      if (!isAsterismError(error, "name-taken") || attempt === MAX_NAME_ATTEMPTS) throw error;
      const { suggestion } = error.details;
      if (typeof suggestion !== "string" || !isLabel(suggestion)) throw error;
      name = suggestion;
    }
  }
}

/** Tells the server, if it can be reached; the machine forgets the network in any case. */
export async function leaveNetwork(
  { membership, dialer }: OverlayNetwork,
  machine: MachineKeyPair,
  crypto: Crypto,
  logger: Logger,
): Promise<void> {
  const fingerprint = parseFingerprint(membership.serverFingerprint);
  if (fingerprint === undefined) return;
  const client = new ServerClient({ url: membership.serverUrl, fingerprint }, { timeoutMs: 3_000, dialer });
  try {
    await client.leave(membership.nodeId, machine.publicKey, (message) =>
      crypto.ed25519Sign(machine.privateKey, message),
    );
  } catch (error) {
    if (isAsterismError(error, "not-found") || isAsterismError(error, "device-removed")) return;
    logger.warn(
      { network: membership.network.name },
      `the server could not be told (${String(error)}): the device stays listed there until it is removed`,
    );
  }
}

function deviceName(wished: string | undefined): string {
  if (wished === undefined) return toDeviceName(hostname());
  if (isLabel(wished)) return wished;
  throw new AsterismError(
    "invalid-input",
    `"${wished}" can't be a device name: use up to 63 lower-case letters, digits and hyphens, e.g. --name ${toDeviceName(wished)}`,
  );
}

async function checkRanges(
  { network }: JoinPreviewResponse,
  former: OverlayNetwork | undefined,
  { ownInterfaces }: EnrolmentContext,
): Promise<void> {
  const interfaces = ownInterfaces();
  // Joining the same network again replaces its own interface.
  if (former?.interfaceName != null) interfaces.delete(former.interfaceName);
  await checkRangeConflict(network.name, [network.ipv4Range, network.ipv6Range], interfaces);
}
