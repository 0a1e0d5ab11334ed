/**
 * A box between an inside segment and an outside one: NAT or plain routing for IPv4, routing for IPv6, a firewall for
 * both. Put the outside of one on the inside of another for double NAT.
 */
import type { UdpAddress } from "@asterism/core/net";
import { type NatOptions, NatTable } from "./nat-table.ts";
import type { Packet } from "./packet.ts";
import { RecentUses } from "./recent-uses.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { Attachment, AttachmentConditions, Device, Segment } from "./segment.ts";
import type { World } from "./world.ts";

/**
 * `open` lets everything through, `stateful` only what answers something from inside (without a translating NAT),
 * `udp-blocked` streams alone, and `https-only` those alone that lead from inside to port 443.
 */
export type FirewallKind = "open" | "stateful" | "udp-blocked" | "https-only";

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
/** RFC 5382 REQ-5: a NAT keeps a TCP connection that rests for two hours and four minutes at least. */
const STREAM_TIMEOUT_MS = 7_440_000;
const HTTPS_PORT = 443;

export class VirtualRouter implements Device {
  readonly name: string;
  readonly inside: Segment;
  readonly outside: Segment;
  readonly #world: World;
  readonly #insideAttachment: Attachment;
  readonly #outsideAttachment: Attachment;
  readonly #nat: NatTable | undefined;
  readonly #natOptions: NatOptions | null;
  /** Ports of streams are others than those of UDP. Made for the first stream. */
  #streamNat: NatTable | undefined;
  #udpLossRatio = 0;
  /** Of UDP's loss; made for the first packet that may be lost. */
  #random: SeededRandom | undefined;
  readonly #hairpin: boolean;
  readonly #flows = new RecentUses(STATE_TIMEOUT_MS);
  readonly #streamFlows = new RecentUses(STREAM_TIMEOUT_MS);
  #firewall: FirewallKind;
  #outsideIpv4: string | undefined;

  constructor(name: string, inside: Segment, outside: Segment, options: RouterOptions, world: World) {
    this.name = name;
    this.inside = inside;
    this.outside = outside;
    this.#world = world;
    this.#nat = options.nat === null ? undefined : new NatTable(options.nat, world.random.fork());
    this.#natOptions = options.nat;
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

  /** A network that drops UDP and leaves streams alone: the share that is lost, each way. */
  setUdpLoss(ratio: number): void {
    this.#udpLossRatio = ratio;
  }

  get isUdpBlocked(): boolean {
    return this.#firewall === "udp-blocked" || this.#firewall === "https-only";
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
    this.#streamNat?.clear();
    this.#flows.clear();
    this.#streamFlows.clear();
  }

  receive(packet: Packet, attachment: Attachment): void {
    const dropped = this.#forward(packet, attachment);
    if (dropped !== undefined) this.#world.log.add(this.#world.nowMs, this.name, this.name, packet, dropped);
  }

  /** Sends the packet on; else why not. */
  #forward(packet: Packet, attachment: Attachment): string | undefined {
    const refused = packet.stream === undefined ? this.#refuseDatagram() : this.#refuseStream(packet, attachment);
    if (refused !== undefined) return refused;
    return attachment === this.#insideAttachment ? this.#fromInside(packet) : this.#fromOutside(packet);
  }

  #refuseDatagram(): string | undefined {
    if (this.#firewall === "udp-blocked" || this.#firewall === "https-only") return "UDP is blocked";
    if (this.#udpLossRatio === 0) return undefined;
    this.#random ??= this.#world.random.fork();
    return this.#random.chance(this.#udpLossRatio) ? "UDP is throttled" : undefined;
  }

  #refuseStream({ source, destination }: Packet, attachment: Attachment): string | undefined {
    if (this.#firewall !== "https-only") return undefined;
    const { port } = attachment === this.#insideAttachment ? destination : source;
    return port === HTTPS_PORT ? undefined : "only HTTPS passes";
  }

  #natFor({ stream }: Packet): NatTable | undefined {
    if (stream === undefined || this.#natOptions === null) return this.#nat;
    const options = { ...this.#natOptions, mappingTimeoutMs: STREAM_TIMEOUT_MS };
    this.#streamNat ??= new NatTable(options, this.#world.random.fork());
    return this.#streamNat;
  }

  #fromInside(packet: Packet): string | undefined {
    const { source, destination } = packet;
    if (this.#nat === undefined || source.address.includes(":")) {
      this.#flowsLike(packet).note(flowKey(source, destination), this.#world.nowMs);
      this.outside.send(packet, this.#outsideAttachment);
      return undefined;
    }
    const isHairpin = destination.address === this.#outsideIpv4;
    if (isHairpin && !this.#hairpin) return "no hairpin";
    const port = this.#natFor(packet)?.outbound(source, destination, this.#world.nowMs);
    if (port === undefined || this.#outsideIpv4 === undefined) return "no NAT port free";
    const translated = { ...packet, source: { address: this.#outsideIpv4, port } };
    if (isHairpin) return this.#translateInbound(translated);
    this.outside.send(translated, this.#outsideAttachment);
    return undefined;
  }

  #fromOutside(packet: Packet): string | undefined {
    if (packet.destination.address === this.#outsideIpv4) return this.#translateInbound(packet);
    const flow = flowKey(packet.destination, packet.source);
    const isAnswer = this.#flowsLike(packet).isRecent(flow, this.#world.nowMs);
    if (this.#firewall !== "open" && !isAnswer) return "filtered by the firewall";
    this.inside.send(packet, this.#insideAttachment);
    return undefined;
  }

  #flowsLike({ stream }: Packet): RecentUses {
    return stream === undefined ? this.#flows : this.#streamFlows;
  }

  #translateInbound(packet: Packet): string | undefined {
    const target = this.#natFor(packet)?.inbound(packet.destination.port, packet.source, this.#world.nowMs) ?? "no NAT";
    if (typeof target === "string") return target;
    this.inside.send({ ...packet, destination: target }, this.#insideAttachment);
    return undefined;
  }
}

function flowKey(inside: UdpAddress, remote: UdpAddress): string {
  return `${inside.address}:${inside.port} ${remote.address}:${remote.port}`;
}
