import type { LinkId } from "@asterism/core/net";
import type { EngineDevice, LinkInfo, LinkOptions } from "@asterism/engine";
import { EngineError } from "@asterism/engine";
import type { Logger } from "pino";
import { kernelHasIpv6 } from "../platform/ipv6.linux.ts";
import type { WantedLink } from "./wanted-links.ts";

const DEFAULT_PORT = 41_641;

/** Ports of the last run, so that endpoints that peers remember stay true. */
export interface LinkPorts {
  /** Of the first link; 0 if there is none. */
  readonly first: number;
  /** By the name of the link. */
  readonly byName: Readonly<Record<string, number>>;
}

export interface LinkSetOptions {
  readonly device: Pick<EngineDevice, "openLink" | "closeLink">;
  readonly logger: Logger;
  readonly ports: () => LinkPorts;
  /** Index of an interface, null if there is none of the name, undefined if that is not known yet. */
  readonly interfaceIndex: (name: string) => number | null | undefined;
}

export interface OpenLink {
  readonly wanted: WantedLink;
  readonly info: LinkInfo;
}

interface OwnLink extends OpenLink {
  /** Of the interface that the socket is bound to. */
  interfaceIndex: number | undefined;
}

/** The UDP sockets of one network's links, by the name of the link: opened, closed, and opened again when that can help. */
export class LinkSet {
  readonly #options: LinkSetOptions;
  #wanted: readonly WantedLink[] = []; // bounded: MAX_LINKS
  readonly #open = new Map<string, OwnLink>(); // bounded: the wanted ones
  readonly #problems = new Map<string, string>(); // bounded: likewise
  /** Sockets that serve one peer, with the name of the link that they are like. */
  readonly #alike = new Map<LinkId, string>(); // bounded: by those that ask for them

  constructor(options: LinkSetOptions) {
    this.#options = options;
  }

  get wanted(): readonly WantedLink[] {
    return this.#wanted;
  }

  /** In the order of preference. */
  get open(): readonly OpenLink[] {
    return this.#wanted.flatMap(({ name }) => this.#open.get(name) ?? []);
  }

  get(name: string): OpenLink | undefined {
    return this.#open.get(name);
  }

  /** Why a link is not open, with what to do about it. */
  problemOf(name: string): string | undefined {
    return this.#problems.get(name);
  }

  /** Undefined for sockets that are no links', as streams. */
  find(linkId: LinkId): WantedLink | undefined {
    const alike = this.#alike.get(linkId);
    for (const { info, wanted } of this.#open.values()) if (info.id === linkId || wanted.name === alike) return wanted;
    return undefined;
  }

  /** Says which links there should be; `isStale` tells those that have to be closed first. */
  want(wanted: readonly WantedLink[]): void {
    this.#wanted = wanted;
    const names = new Set(wanted.map(({ name }) => name));
    for (const name of this.#problems.keys()) if (!names.has(name)) this.#problems.delete(name);
  }

  /** Links that are not wanted any more, or whose interface is gone or another one of the same name. */
  stale(): OpenLink[] {
    return [...this.#open.values()].filter((link) => {
      const wanted = this.#wanted.find(({ name }) => name === link.wanted.name);
      return wanted === undefined || wanted.boundTo !== link.wanted.boundTo || this.#hasLostInterface(link);
    });
  }

  close({ wanted, info }: OpenLink): void {
    if (!this.#open.delete(wanted.name)) return;
    this.#options.device.closeLink(info.id);
    this.#options.logger.info({ link: wanted.name }, "link closed");
  }

  /** Opens what is missing, and gives those that are open what is wanted of them. Returns those that are new. */
  openMissing(): OpenLink[] {
    const opened: OpenLink[] = [];
    for (const [place, wanted] of this.#wanted.entries()) {
      const known = this.#open.get(wanted.name);
      if (known !== undefined) this.#open.set(wanted.name, { ...known, wanted });
      else opened.push(...this.#tryOpen(wanted, place === 0));
    }
    return opened;
  }

  /** A socket for IPv4 like that of a link, on another port. */
  openAlike(linkId: LinkId): LinkId {
    const link = [...this.#open.values()].find(({ info }) => info.id === linkId);
    if (link === undefined) throw new EngineError("unknown-link", "the link is closed");
    const { id } = this.#options.device.openLink({ ...bindingOf(link.wanted), port: 0, ipv6: null });
    this.#alike.set(id, link.wanted.name);
    return id;
  }

  closeAlike(linkId: LinkId): void {
    this.#alike.delete(linkId);
    this.#options.device.closeLink(linkId);
  }

  #hasLostInterface(link: OwnLink): boolean {
    if (link.wanted.boundTo !== "interface") return false;
    const index = this.#options.interfaceIndex(link.wanted.name);
    if (index === undefined) return false;
    link.interfaceIndex ??= index ?? undefined;
    return index !== link.interfaceIndex;
  }

  #tryOpen(wanted: WantedLink, isFirst: boolean): OpenLink[] {
    const { logger, interfaceIndex } = this.#options;
    const { name } = wanted;
    try {
      const info = this.#openSocket(wanted, isFirst);
      const link = { wanted, info, interfaceIndex: interfaceIndex(name) ?? undefined };
      this.#open.set(name, link);
      this.#problems.delete(name);
      logger.info({ link: name, port: info.port }, "link opened");
      return [link];
    } catch (error) {
      const problem = problemText(wanted, error);
      if (this.#problems.get(name) !== problem) logger.warn({ link: name }, problem);
      this.#problems.set(name, problem);
      return [];
    }
  }

  /** On the port of the last run, for the first link else on the default one, or on any that is free. */
  #openSocket(wanted: WantedLink, isFirst: boolean): LinkInfo {
    const binding = bindingOf(wanted);
    const { first, byName } = this.#options.ports();
    const wished = [byName[wanted.name] ?? 0, ...(isFirst ? [first, DEFAULT_PORT] : [])];
    for (const port of new Set(wished.filter((one) => one !== 0))) {
      try {
        return this.#options.device.openLink({ ...binding, port });
      } catch (error) {
        // Taken by another network of this host, another link or another program: the next one.
        if (!(error instanceof EngineError) || error.reason !== "port-in-use") throw error;
      }
    }
    return this.#options.device.openLink({ ...binding, port: 0 });
  }
}

function bindingOf({ name, boundTo }: WantedLink): Omit<LinkOptions, "port"> {
  if (boundTo === "address") {
    return name.includes(":") ? { ipv4: null, ipv6: name } : { ipv4: name, ipv6: null };
  }
  const any = { ipv4: "0.0.0.0", ipv6: kernelHasIpv6() ? "::" : null };
  return boundTo === null ? any : { ...any, bindInterface: name };
}

function problemText({ name, boundTo }: WantedLink, error: unknown): string {
  if (!(error instanceof EngineError)) return String(error);
  switch (error.reason) {
    case "no-such-interface":
      return `there is no interface ${name}; it is used as soon as there is one. \`ip -brief link\` lists those that there are`;
    case "address-not-available":
      return `${name} is no address of this machine; it is used as soon as it is. \`ip -brief address\` lists those that it has`;
    case "no-permission":
      return `the agent may not bind to ${name}: before Linux 5.7 this takes CAP_NET_RAW. Run it as root or with that capability, or name an address of ${name} instead of the interface`;
    default: {
      const { system } = error.details;
      const what = boundTo === null ? "no socket" : `no socket on ${name}`;
      return `${what} can be opened: ${error.message}${typeof system === "string" ? ` (${system})` : ""}`;
    }
  }
}
