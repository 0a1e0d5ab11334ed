/**
 * A box between an inside segment and an outside one: NAT or plain routing for IPv4, routing for IPv6, a firewall for
 * both. Put the outside of one on the inside of another for double NAT.
 */
import type { UdpAddress } from "@asterism/core/net";
import { type NatOptions, NatTable } from "./nat-table.ts";
import type { Packet } from "./packet.ts";
import type { Attachment, AttachmentConditions, Device, Segment } from "./segment.ts";
import type { World } from "./world.ts";

/**
 * `open` lets everything through, `stateful` only what answers something from inside (without a translating NAT),
 * `udp-blocked` nothing.
 */
export type FirewallKind = "open" | "stateful" | "udp-blocked";

export interface RouterOptions {
  /** Public or, for double NAT, private address of the outside. */
  readonly outsideIpv4?: string;
  /** Null routes IPv4 without translation. */
  readonly nat: NatOptions | null;
  readonly firewall?: FirewallKind;
  /** Of the outside attachment: the access line. */
  readonly conditions?: AttachmentConditions;
}

const STATE_TIMEOUT_MS = 60_000;

export class VirtualRouter implements Device {
  readonly name: string;
  readonly inside: Segment;
  readonly outside: Segment;
  readonly #world: World;
  readonly #insideAttachment: Attachment;
  readonly #outsideAttachment: Attachment;
  readonly #nat: NatTable | undefined;
  readonly #hairpin: boolean;
  readonly #flows = new Map<string, number>(); // bounded: flows of the scenario
  #firewall: FirewallKind;
  #outsideIpv4: string | undefined;

  constructor(name: string, inside: Segment, outside: Segment, options: RouterOptions, world: World) {
    this.name = name;
    this.inside = inside;
    this.outside = outside;
    this.#world = world;
    this.#nat = options.nat === null ? undefined : new NatTable(options.nat, world.random.fork());
    this.#hairpin = options.nat?.hairpin ?? false;
    this.#firewall = options.firewall ?? "open";
    this.#insideAttachment = inside.attach(this);
    this.#outsideAttachment = outside.attach(this, options.conditions ?? {});
    inside.setGateway(this.#insideAttachment);
    inside.onAddress = (address) => {
      const isRouted = address.includes(":") || this.#nat === undefined;
      if (isRouted) outside.announce(address, this.#outsideAttachment);
    };
    if (options.outsideIpv4 !== undefined) this.setOutsideIpv4(options.outsideIpv4);
  }

  /** Another address from the provider; mappings of the old one are gone. */
  setOutsideIpv4(address: string): void {
    if (this.#outsideIpv4 !== undefined) this.outside.removeAddress(this.#outsideIpv4);
    this.#outsideIpv4 = address;
    this.outside.addAddress(address, this.#outsideAttachment);
    this.reboot();
  }

  setFirewall(kind: FirewallKind): void {
    this.#firewall = kind;
  }

  /** The access line, to change its conditions or to cut it. */
  get line(): Attachment {
    return this.#outsideAttachment;
  }

  forward(port: number, inside: UdpAddress): void {
    this.#nat?.forward(port, inside);
  }

  /** All translation and firewall state is lost. */
  reboot(): void {
    this.#nat?.clear();
    this.#flows.clear();
  }

  receive(packet: Packet, attachment: Attachment): void {
    const dropped = this.#forward(packet, attachment);
    if (dropped !== undefined) this.#world.log.add(this.#world.nowMs, this.name, this.name, packet, dropped);
  }

  /** Sends the packet on; else why not. */
  #forward(packet: Packet, attachment: Attachment): string | undefined {
    if (this.#firewall === "udp-blocked") return "UDP is blocked";
    return attachment === this.#insideAttachment ? this.#fromInside(packet) : this.#fromOutside(packet);
  }

  #fromInside(packet: Packet): string | undefined {
    const { source, destination } = packet;
    if (this.#nat === undefined || source.address.includes(":")) {
      this.#flows.set(flowKey(source, destination), this.#world.nowMs);
      this.outside.send(packet, this.#outsideAttachment);
      return undefined;
    }
    const isHairpin = destination.address === this.#outsideIpv4;
    if (isHairpin && !this.#hairpin) return "no hairpin";
    const port = this.#nat.outbound(source, destination, this.#world.nowMs);
    if (port === undefined || this.#outsideIpv4 === undefined) return "no NAT port free";
    const translated = { ...packet, source: { address: this.#outsideIpv4, port } };
    if (isHairpin) return this.#translateInbound(translated);
    this.outside.send(translated, this.#outsideAttachment);
    return undefined;
  }

  #fromOutside(packet: Packet): string | undefined {
    if (packet.destination.address === this.#outsideIpv4) return this.#translateInbound(packet);
    const lastOutMs = this.#flows.get(flowKey(packet.destination, packet.source));
    const isAnswer = lastOutMs !== undefined && this.#world.nowMs - lastOutMs < STATE_TIMEOUT_MS;
    if (this.#firewall === "stateful" && !isAnswer) return "filtered by the firewall";
    this.inside.send(packet, this.#insideAttachment);
    return undefined;
  }

  #translateInbound(packet: Packet): string | undefined {
    const target = this.#nat?.inbound(packet.destination.port, packet.source, this.#world.nowMs) ?? "no NAT";
    if (typeof target === "string") return target;
    this.inside.send({ ...packet, destination: target }, this.#insideAttachment);
    return undefined;
  }
}

function flowKey(inside: UdpAddress, remote: UdpAddress): string {
  return `${inside.address}:${inside.port} ${remote.address}:${remote.port}`;
}
