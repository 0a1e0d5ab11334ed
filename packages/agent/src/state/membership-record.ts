import type { DeltaMessage, MapMessage, RelaysMessage } from "@asterism/core/control";
import type { LinkSettings } from "@asterism/core/local-api";
import type { TrafficMode } from "@asterism/core/paths";
import { MAX_LINK_PORTS, type Membership, type MembershipStore } from "./membership.ts";

const SAVE_DELAY_MS = 500;

/** What the running network knows beyond the membership itself, asked for at each save. */
export type LearntFacts = Pick<Membership, "pins" | "endpoints">;

export interface MembershipRecordOptions {
  readonly membership: Membership;
  readonly store: MembershipStore;
  readonly learn: () => LearntFacts | undefined;
  /** What was learnt could not be written (disk full, …). Tunnels go on; the next save brings it all. */
  readonly onSaveFailed: (error: unknown) => void;
}

/**
 * The membership of one network as it stands, and its copy on disk. Decisions of the user are written at once; what
 * the server or the network tells follows within half a second.
 */
export class MembershipRecord {
  readonly #store: MembershipStore;
  readonly #learn: () => LearntFacts | undefined;
  readonly #onSaveFailed: (error: unknown) => void;
  #membership: Membership;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: MembershipRecordOptions) {
    this.#membership = options.membership;
    this.#store = options.store;
    this.#learn = options.learn;
    this.#onSaveFailed = options.onSaveFailed;
  }

  get current(): Membership {
    return this.#membership;
  }

  setEnabled(enabled: boolean): void {
    if (this.#membership.enabled === enabled) return;
    this.#decide({ ...this.#membership, enabled });
  }

  setPort(port: number): void {
    if (this.#membership.port === port) return;
    this.#membership = { ...this.#membership, port };
    this.saveSoon();
  }

  /** Of a link that is bound to something. */
  setLinkPort(name: string, port: number): void {
    const { linkPorts = {} } = this.#membership;
    if (linkPorts[name] === port) return;
    const kept = Object.entries(linkPorts).filter(([other]) => other !== name);
    const entries: [string, number][] = [...kept.slice(1 - MAX_LINK_PORTS), [name, port]];
    this.#membership = { ...this.#membership, linkPorts: Object.fromEntries(entries) };
    this.saveSoon();
  }

  setLinks(links: LinkSettings): void {
    this.#decide({ ...this.#membership, links });
  }

  /** How packets for a member use the paths to it; null takes the choice back. */
  setMode(nodeId: string, mode: TrafficMode | null): void {
    const { [nodeId]: _former, ...others } = this.#membership.modes ?? {};
    this.#decide({ ...this.#membership, modes: mode === null ? others : { ...others, [nodeId]: mode } });
  }

  /** Another node key, written before it is used. */
  replaceNodeKey(membership: Membership): void {
    this.#decide(membership);
  }

  /** The server has the record. */
  setRecordPublished(): void {
    if (this.#membership.unpublishedRecord === null) return;
    this.#membership = { ...this.#membership, unpublishedRecord: null };
    this.saveSoon();
  }

  applyMap({ epoch, version, network, self, peers }: MapMessage): void {
    const members = new Set(peers.map(({ nodeId }) => nodeId));
    const modes = keepModes(this.#membership, (nodeId) => members.has(nodeId));
    this.#membership = { ...this.#membership, network, self: pickSelf(self), map: { epoch, version, peers }, ...modes };
    this.saveSoon();
  }

  setRelays(relays: RelaysMessage): void {
    this.#membership = { ...this.#membership, relays };
    this.saveSoon();
  }

  /** False if the delta does not fit on the map there is; the map is then forgotten, so that a whole one is asked for. */
  applyDelta(delta: DeltaMessage): boolean {
    const { map } = this.#membership;
    if (map === null || map.epoch !== delta.epoch || map.version !== delta.fromVersion) {
      this.#membership = { ...this.#membership, map: null };
      return false;
    }
    const replaced = new Set([...delta.removals, ...delta.upserts.map(({ nodeId }) => nodeId)]);
    const removed = new Set(delta.removals);
    const peers = [...map.peers.filter(({ nodeId }) => !replaced.has(nodeId)), ...delta.upserts];
    this.#membership = {
      ...this.#membership,
      ...(delta.network === undefined ? {} : { network: delta.network }),
      ...(delta.self === undefined ? {} : { self: pickSelf(delta.self) }),
      map: { epoch: delta.epoch, version: delta.version, peers },
      ...keepModes(this.#membership, (nodeId) => !removed.has(nodeId)),
    };
    this.saveSoon();
    return true;
  }

  saveSoon(): void {
    this.#timer ??= setTimeout(() => this.saveNow(), SAVE_DELAY_MS);
  }

  saveNow(): void {
    this.cancelSave();
    this.#membership = { ...this.#membership, ...this.#learn() };
    try {
      this.#store.save(this.#membership);
    } catch (error) {
      this.#onSaveFailed(error);
    }
  }

  /** The peers with a session at the end of the last run. */
  loadConnected(): string[] {
    return this.#store.loadConnected(this.#membership.network.id);
  }

  saveConnected(nodeIds: readonly string[]): void {
    try {
      this.#store.saveConnected(this.#membership.network.id, nodeIds);
    } catch (error) {
      this.#onSaveFailed(error);
    }
  }

  /** A save that is due is not done: the file may be about to go, or was written just now. */
  cancelSave(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Holds only once it is written: what was refused is not in force either. */
  #decide(membership: Membership): void {
    this.#store.save(membership);
    this.#membership = membership;
  }
}

/** What was chosen for those who are members still. */
function keepModes({ modes }: Membership, isMember: (nodeId: string) => boolean): Pick<Membership, "modes"> {
  if (modes === undefined) return {};
  return { modes: Object.fromEntries(Object.entries(modes).filter(([nodeId]) => isMember(nodeId))) };
}

function pickSelf({ name, fqdn, ipv4, ipv6 }: Membership["self"]): Membership["self"] {
  return { name, fqdn, ipv4, ipv6 };
}
