import { type AdminRelay, type CreateRelayRequest, formatFingerprint, MAX_RELAYS } from "@asterism/core/control";
import { AsterismError } from "@asterism/core/errors";
import type { ServerContext } from "../context.ts";
import type { Outcome } from "../domain/change.ts";
import type { NetworkRelay } from "../domain/network-relays.ts";
import { type RelayAuth, relaySettings } from "../domain/relay-settings.ts";
import { createId } from "../ids.ts";
import { urlHost } from "../listen.ts";
import { type MemberRelay, memberRelayId, offeredNetworkRelay } from "../relays/member-relays.ts";
import { OWN_RELAY_ID, type OwnRelay } from "../relays/own-relay.ts";
import { listNetworks } from "../store/networks.ts";
import { deleteRelay, insertRelay, listRelayHosts, listRelays, type NamedRelayRow } from "../store/relays.ts";
import type { RelayRow } from "../store/tables.ts";
import { DEFAULT_NETWORK, requireNetwork } from "./networks.ts";

/** Adds a relay to a network. Throws `invalid-input`, `in-use`, `limit-reached`, `network-unknown`. */
export async function addRelay(context: ServerContext, request: CreateRelayRequest): Promise<Outcome<AdminRelay>> {
  const settings = relaySettings(request);
  const { host, ports, auth } = settings;
  // Before the lookup, which takes its time, and so that a wrong network is not blamed on the name.
  await requireNetwork(context.db, request.network ?? DEFAULT_NETWORK);
  await context.relayHosts.learn(host);
  return await context.db.transaction().execute(async (db) => {
    const network = await requireNetwork(db, request.network ?? DEFAULT_NETWORK);
    const others = await listRelays(db, network.id);
    const row: RelayRow = {
      id: createId("relay"),
      network_id: network.id,
      host,
      udp_port: ports.udp,
      tcp_port: ports.tcp,
      tls_port: ports.tls,
      secret: auth.kind === "secret" ? auth.secret : null,
      username: auth.kind === "user" ? auth.username : null,
      password: auth.kind === "user" ? auth.password : null,
      created_at: context.wallNow(),
    };
    if (others.some((other) => isSamePlace(other, row))) {
      throw new AsterismError(
        "in-use",
        `The network "${network.name}" has this relay already. To change it, remove it first: asterism admin relay remove ${host}`,
      );
    }
    // One place is kept for the server's own relay.
    if (others.length >= MAX_RELAYS - 1) {
      throw new AsterismError("limit-reached", `A network can have ${MAX_RELAYS - 1} relays. Remove one first.`);
    }
    await insertRelay(db, row);
    return {
      value: adminRelay(context, { ...row, network_name: network.name }),
      changes: [{ kind: "relays", networkId: network.id }],
    };
  });
}

/** Takes a relay from its network, named by its id or by its host. */
export async function removeRelay(
  context: ServerContext,
  hostOrId: string,
  networkId: string | undefined,
): Promise<Outcome<void>> {
  return await context.db.transaction().execute(async (db) => {
    const rows = await listRelays(db, networkId);
    const matches = rows.filter((row) => row.id === hostOrId || row.host === hostOrId.toLowerCase());
    const [only] = matches;
    if (only === undefined) throw noSuchRelay(context, hostOrId);
    if (matches.length > 1) {
      throw new AsterismError("invalid-input", `Several relays are called "${hostOrId}". Say which by its id.`, {
        details: { ids: matches.map((row) => row.id) },
      });
    }
    await deleteRelay(db, only.id);
    return { value: undefined, changes: [{ kind: "relays", networkId: only.network_id }] };
  });
}

function noSuchRelay({ memberRelays }: ServerContext, hostOrId: string): AsterismError {
  if (hostOrId === OWN_RELAY_ID) {
    return new AsterismError("in-use", "This is the server's own relay: it comes and goes with the server.");
  }
  const isOffered = memberRelays
    .all()
    .some(({ offer }) => offer.name === hostOrId || memberRelayId(offer.nodeId) === hostOrId);
  if (isOffered) {
    return new AsterismError(
      "in-use",
      "A device offers this relay: it goes when its agent stops offering it, or with the device.",
    );
  }
  return new AsterismError("not-found", `There is no relay "${hostOrId}". See: asterism admin relay list`);
}

/** The relays of one network, or of all, the server's own first. */
export async function listAdminRelays(context: ServerContext, networkId: string | undefined): Promise<AdminRelay[]> {
  const own = context.ownRelay === null ? [] : [ownAdminRelay(context, context.ownRelay)];
  const rows = await listRelays(context.db, networkId);
  const networks = new Map((await listNetworks(context.db)).map(({ id, name }) => [id, name]));
  const offered = context.memberRelays
    .all()
    .filter((entry) => networkId === undefined || entry.networkId === networkId)
    .map((entry) => offeredAdminRelay(entry.offer, networks.get(entry.networkId) ?? null));
  return [...own, ...rows.map((row) => adminRelay(context, row)), ...offered];
}

/** What members of a network are told of, with the addresses that are known at present. */
export async function readNetworkRelays(context: ServerContext, networkId: string): Promise<NetworkRelay[]> {
  const own = context.ownRelay === null ? [] : [ownNetworkRelay(context, context.ownRelay)];
  const rows = await listRelays(context.db, networkId);
  const offered = context.memberRelays.of(networkId).map(offeredNetworkRelay);
  return [...own, ...rows.map((row) => networkRelay(context, row)), ...offered].slice(0, MAX_RELAYS);
}

/** Hosts of all relays there are. */
export async function relayHostsInUse(context: ServerContext): Promise<string[]> {
  const own = context.ownRelay?.addresses.length === 0 ? [urlHost(context.identity.url)] : [];
  return [...own, ...(await listRelayHosts(context.db))];
}

function isSamePlace(a: RelayRow, b: RelayRow): boolean {
  return a.host === b.host && a.udp_port === b.udp_port && a.tcp_port === b.tcp_port && a.tls_port === b.tls_port;
}

function networkRelay(context: ServerContext, row: RelayRow): NetworkRelay {
  const addresses = context.relayHosts.addressesOf(row.host);
  return {
    id: row.id,
    host: row.host,
    addresses,
    ports: relayPorts(row),
    alternateUdpPort: null,
    tlsName: addresses.includes(row.host) ? null : row.host,
    tlsFingerprint: null,
    realm: null,
    auth: relayAuth(row),
    offeredBy: null,
  };
}

function ownNetworkRelay(context: ServerContext, own: OwnRelay): NetworkRelay {
  const { url, fingerprint } = context.identity;
  const host = urlHost(url);
  const numeric = context.relayHosts.addressesOf(host).includes(host);
  return {
    id: OWN_RELAY_ID,
    host,
    addresses: ownAddresses(context, own),
    ports: ownPorts(context, own),
    alternateUdpPort: own.ports.alternateUdp,
    tlsName: numeric ? null : host,
    tlsFingerprint: formatFingerprint(fingerprint),
    realm: own.realm,
    auth: { kind: "secret", secret: own.secret },
    offeredBy: null,
  };
}

function ownAddresses(context: ServerContext, own: OwnRelay): readonly string[] {
  return own.addresses.length > 0 ? own.addresses : context.relayHosts.addressesOf(urlHost(context.identity.url));
}

/** TLS is on the port of the public URL, which members reach for certain. */
function ownPorts(context: ServerContext, own: OwnRelay) {
  const urlPort = Number(new URL(context.identity.url).port || 443);
  return { udp: own.ports.udp, tcp: own.ports.tcp, tls: urlPort };
}

function relayPorts(row: RelayRow) {
  return { udp: row.udp_port, tcp: row.tcp_port, tls: row.tls_port };
}

function relayAuth({ secret, username, password }: RelayRow): RelayAuth {
  if (secret !== null) return { kind: "secret", secret };
  return { kind: "user", username: username ?? "", password: password ?? "" };
}

function adminRelay(context: ServerContext, row: NamedRelayRow): AdminRelay {
  return {
    id: row.id,
    network: row.network_name,
    host: row.host,
    ports: relayPorts(row),
    addresses: [...context.relayHosts.addressesOf(row.host)],
    auth: relayAuth(row).kind,
    username: row.username,
    createdAt: new Date(row.created_at).toISOString(),
  };
}

function offeredAdminRelay({ nodeId, name, relay, offeredAt }: MemberRelay, network: string | null): AdminRelay {
  return {
    id: memberRelayId(nodeId),
    network,
    host: name,
    ports: { ...relay.ports, tls: null },
    addresses: [...relay.addresses],
    auth: "secret",
    username: null,
    createdAt: new Date(offeredAt).toISOString(),
  };
}

function ownAdminRelay(context: ServerContext, own: OwnRelay): AdminRelay {
  return {
    id: OWN_RELAY_ID,
    network: null,
    host: urlHost(context.identity.url),
    ports: ownPorts(context, own),
    addresses: [...ownAddresses(context, own)],
    auth: "secret",
    username: null,
    createdAt: new Date(context.identity.startedAt).toISOString(),
  };
}
