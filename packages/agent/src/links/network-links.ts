import { AsterismError } from "@asterism/core/errors";
import type { LinkSettings } from "@asterism/core/local-api";
import type { Mesh } from "@asterism/core/mesh";
import type { LinkId } from "@asterism/core/net";
import type { LocalCandidate } from "@asterism/core/paths";
import type { ClockReading } from "@asterism/core/time";
import type { EngineDevice } from "@asterism/engine";
import type { Logger } from "pino";
import { type HostAddress, listHostAddresses } from "../platform/host-addresses.ts";
import { RouteTable } from "../platform/route-table.linux.ts";
import { findGatewayPlace } from "../port-mapping/gateway-place.ts";
import { LinkPlaces } from "./link-places.ts";
import { LinkPortMappings } from "./link-port-mappings.ts";
import { linkScene } from "./link-scene.ts";
import { type LinkPorts, LinkSet, type OpenLink } from "./link-set.ts";
import { hostCandidates } from "./local-candidates.ts";
import { addressesOf, type LinkScene, UNBOUND, type WantedLink, wantedLinks } from "./wanted-links.ts";

export interface NetworkLinksOptions {
  readonly device: Pick<EngineDevice, "openLink" | "closeLink">;
  readonly logger: Logger;
  readonly settings: () => LinkSettings;
  readonly ports: () => LinkPorts;
  /** A link has been opened on this port. */
  readonly onPort: (link: WantedLink, port: number, isFirst: boolean) => void;
  readonly ownInterfaces: () => ReadonlySet<string>;
  readonly interfaceIndex: (name: string) => number | null | undefined;
  /** Addresses of the host with those that stand for what is reached by a NAT64. */
  readonly withOwn: (addresses: readonly HostAddress[]) => readonly HostAddress[];
  /** Identifies this network's mappings to routers; null if they are not to be asked. */
  readonly portMappingNonce: Uint8Array | null;
  /** Of the host, by default. */
  readonly readRoutes?: () => RouteTable;
}

/** Null without a route. */
export type LinkNamer = (remote: string, linkId: LinkId | null) => string | null;

export type RunMesh = (input: (mesh: Mesh, time: ClockReading) => void) => void;

/** The links of one running network: which there are, what they offer to peers, and what the mesh is told of them. */
export class NetworkLinks {
  readonly set: LinkSet;
  readonly #options: NetworkLinksOptions;
  readonly #places = new LinkPlaces();
  #mappings: LinkPortMappings | undefined;
  #runMesh: RunMesh = () => undefined;
  #observedAddress: string | null = null;
  #servers: readonly string[] = [];
  #scene: LinkScene;

  /** Opens the links. Throws why the one that is bound to nothing can't be opened; others may wait. */
  constructor(options: NetworkLinksOptions) {
    this.#options = options;
    this.set = new LinkSet(options);
    this.#scene = this.#readScene();
    this.#want();
    this.#open();
    const problem = this.set.problemOf(UNBOUND);
    if (problem !== undefined) throw new AsterismError("interface-failed", problem);
  }

  /** The mesh is ready to hear of links. Settings and the host's network may have changed since these were opened. */
  start(runMesh: RunMesh): void {
    this.#runMesh = runMesh;
    this.#renew();
    this.#offer();
    const { portMappingNonce, logger, ownInterfaces } = this.#options;
    if (portMappingNonce === null) return;
    this.#mappings = new LinkPortMappings({
      nonce: portMappingNonce,
      logger,
      findPlace: (link) => findGatewayPlace(ownInterfaces(), link),
      onChange: (mapping) => runMesh((mesh, time) => mesh.handlePortMapping(mapping, time)),
    });
    this.#mappings.handleLinks(this.set.open);
  }

  async close(): Promise<void> {
    this.#runMesh = () => undefined;
    await this.#mappings?.close();
  }

  /** The address from which the server sees this host come. */
  handleObservedAddress(address: string | null): void {
    this.#observedAddress = address;
    this.#offer();
  }

  /** IPv4 addresses are reached by another way, or have become reachable: the candidates may be the same nevertheless. */
  handleNat64Change(): void {
    this.#scene = this.#readScene();
    const candidates = this.candidates();
    this.#runMesh((mesh, time) => mesh.handleNetworkChange(candidates, time));
  }

  /** Other links are wanted, or they cost something else. */
  handleSettings(): void {
    this.#renew();
    this.#offer();
    this.#mappings?.handleLinks(this.set.open);
  }

  /** The mesh knows other relays and STUN servers, perhaps: the interfaces by which routes lead there are of use. */
  handleServers(): void {
    const before = this.#servers.join();
    this.#readServers();
    if (this.#servers.join() !== before) this.handleSettings();
  }

  /** The network of the host has changed at these interfaces; undefined: nobody knows where. */
  handleNetworkChange(interfaces: ReadonlySet<string> | undefined): void {
    const before = this.#scene;
    const opened = this.#renew();
    const isTouched = ({ wanted }: OpenLink): boolean => {
      const touched = [before, this.#scene].flatMap(({ addresses }) => addressesOf(wanted, addresses));
      if (wanted.boundTo === null || interfaces === undefined) return true;
      return interfaces.has(wanted.name) || touched.some(({ interfaceName }) => interfaces.has(interfaceName));
    };
    const open = this.set.open;
    const touched = open.filter((link) => opened.includes(link) || isTouched(link));
    const candidates = this.candidates();
    this.#runMesh((mesh, time) => {
      if (touched.length === open.length) mesh.handleNetworkChange(candidates, time);
      else mesh.handleLinkChange(candidates, new Set(touched.map(({ info }) => info.id)), time);
    });
    this.#mappings?.handleLinks(open);
  }

  /** What the host knows of its links by itself. */
  candidates(): LocalCandidate[] {
    return this.set.open.flatMap(({ wanted, info }) =>
      hostCandidates({
        link: info,
        place: this.#places.of(wanted.name),
        traits: wanted.traits,
        hostAddresses: addressesOf(wanted, this.#scene.addresses),
        // The control stream is bound to no link.
        observedAddress: wanted.boundTo === null ? this.#observedAddress : null,
      }),
    );
  }

  /** The host's network as it was when links were last looked at. */
  get scene(): LinkScene {
    return this.#scene;
  }

  /** The addresses of a link that it could be reached at now. */
  addressesOf(wanted: WantedLink): HostAddress[] {
    return addressesOf(wanted, this.#scene.addresses);
  }

  /** Says what carries what is sent somewhere: the link, or the interface if that is not known or bound to none. */
  namer(): LinkNamer {
    const routes = RouteTable.read();
    return (remote, linkId) => {
      const wanted = linkId === null ? undefined : this.set.find(linkId);
      if (wanted !== undefined && wanted.boundTo !== null) return wanted.name;
      return routes.interfaceFor(remote) ?? null;
    };
  }

  /** Brings the sockets in line with the host's network and the settings. Returns the new ones. */
  #renew(): OpenLink[] {
    this.#readServers();
    this.#scene = this.#readScene();
    this.#want();
    const stale = this.set.stale();
    if (stale.length > 0) {
      // The mesh lets go of a link before its socket is closed, and its port is free for the next one.
      const ids = new Set(stale.map(({ info }) => info.id));
      const kept = this.candidates().filter(({ linkId }) => !ids.has(linkId));
      this.#runMesh((mesh, time) => mesh.handleLinkChange(kept, ids, time));
      for (const link of stale) this.set.close(link);
    }
    return this.#open();
  }

  #readServers(): void {
    this.#runMesh((mesh) => {
      this.#servers = mesh.gathering().servers.map(({ address }) => address);
    });
  }

  #want(): void {
    const wanted = wantedLinks(this.#options.settings(), this.#scene);
    this.#places.want(wanted.map(({ name }) => name));
    this.set.want(wanted);
  }

  #open(): OpenLink[] {
    const opened = this.set.openMissing();
    const [first] = this.set.wanted;
    for (const { wanted, info } of opened) this.#options.onPort(wanted, info.port, wanted.name === first?.name);
    return opened;
  }

  #offer(): void {
    const candidates = this.candidates();
    this.#runMesh((mesh, time) => mesh.handleHostCandidates(candidates, time));
  }

  #readScene(): LinkScene {
    const ownInterfaces = this.#options.ownInterfaces();
    const addresses = this.#options.withOwn(listHostAddresses(ownInterfaces));
    const routes = this.#options.readRoutes?.() ?? RouteTable.read();
    return linkScene({ addresses, routes, ownInterfaces, servers: this.#servers });
  }
}
