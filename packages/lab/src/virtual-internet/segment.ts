/**
 * A wire that devices are attached to: a LAN, or the public internet as one big wire.
 *
 * A packet goes to the device that has its destination address here, or has announced that the address lies behind it;
 * else to the gateway, if the segment has one. Each attachment has conditions for the way up (from the device) and
 * down (to it).
 */
import { type LinkConditions, LinkModel } from "./link-model.ts";
import { type Packet, packetSizeBytes } from "./packet.ts";
import type { World } from "./world.ts";

export interface Device {
  readonly name: string;
  /** A packet that came over this attachment. */
  receive(packet: Packet, attachment: Attachment): void;
}

export interface AttachmentConditions {
  readonly up?: LinkConditions;
  readonly down?: LinkConditions;
}

export class Attachment {
  readonly device: Device;
  readonly segment: Segment;
  readonly up: LinkModel;
  readonly down: LinkModel;
  /** A cable that is pulled out: nothing passes. */
  isUp = true;
  /** Somebody on the way to the device holds packets back for so long. */
  holdBackMs: ((packet: Packet) => number) | undefined;
  /** Size of the largest packet that passes to these, 0 if none does. */
  readonly #largestBytes = new Map<Attachment, number>(); // bounded: attachments of the scenario

  constructor(device: Device, segment: Segment, conditions: AttachmentConditions, world: World) {
    this.device = device;
    this.segment = segment;
    this.up = new LinkModel(conditions.up ?? {}, world.random.fork());
    this.down = new LinkModel(conditions.down ?? {}, world.random.fork());
  }

  /** Separates two networks on the same segment from each other, or joins them again. */
  setCutOff(other: Attachment, isCutOff: boolean): void {
    this.setLargestPacket(other, isCutOff ? 0 : undefined);
  }

  /** Larger packets vanish between the two; undefined lifts that. */
  setLargestPacket(other: Attachment, largestBytes: number | undefined): void {
    for (const [one, another] of [
      [this, other],
      [other, this],
    ] as const) {
      if (largestBytes === undefined) one.#largestBytes.delete(another);
      else one.#largestBytes.set(another, largestBytes);
    }
  }

  largestPacketTo(other: Attachment): number {
    return this.#largestBytes.get(other) ?? Number.POSITIVE_INFINITY;
  }

  isCutOffFrom(other: Attachment): boolean {
    return this.largestPacketTo(other) === 0;
  }

  get isLossy(): boolean {
    return this.up.isLossy || this.down.isLossy;
  }

  setConditions(conditions: AttachmentConditions): void {
    this.up.setConditions(conditions.up ?? {});
    this.down.setConditions(conditions.down ?? {});
  }
}

export class Segment {
  readonly name: string;
  readonly #world: World;
  readonly #owners = new Map<string, Attachment>(); // bounded: addresses in the scenario
  readonly #announced = new Map<string, Attachment>(); // bounded: addresses in the scenario
  #gateway: Attachment | undefined;
  /** Told about every address that appears here, so that a router can announce it further up. */
  onAddress: ((address: string) => void) | undefined;

  constructor(name: string, world: World) {
    this.name = name;
    this.#world = world;
  }

  attach(device: Device, conditions: AttachmentConditions = {}): Attachment {
    return new Attachment(device, this, conditions, this.#world);
  }

  setGateway(attachment: Attachment): void {
    this.#gateway = attachment;
  }

  addAddress(address: string, attachment: Attachment): void {
    const owner = this.#owners.get(address);
    if (owner !== undefined && owner !== attachment) throw new Error(`${address} is in use on ${this.name} already`);
    this.#owners.set(address, attachment);
    this.onAddress?.(address);
  }

  removeAddress(address: string): void {
    this.#owners.delete(address);
  }

  /** The address is reached through this attachment. */
  announce(address: string, attachment: Attachment): void {
    this.#announced.set(address, attachment);
    this.onAddress?.(address);
  }

  /** Sends a packet from an attached device. */
  send(packet: Packet, from: Attachment): void {
    const { address } = packet.destination;
    const target = this.#owners.get(address) ?? this.#announced.get(address) ?? this.#gateway;
    if (!from.isUp) this.#drop(packet, from, this.name, "link down");
    else if (target === undefined || target === from) this.#drop(packet, from, this.name, "no route");
    else if (packetSizeBytes(packet) > from.largestPacketTo(target)) {
      this.#drop(packet, from, target.device.name, from.isCutOffFrom(target) ? "cut off" : "too large on the way");
    } else this.#pass(packet, from, target, from.up, () => this.#descend(packet, from, target));
  }

  #descend(packet: Packet, from: Attachment, target: Attachment): void {
    const heldMs = target.holdBackMs?.(packet) ?? 0;
    if (heldMs > 0) this.#world.after(heldMs, () => this.#deliver(packet, from, target));
    else this.#deliver(packet, from, target);
  }

  #deliver(packet: Packet, from: Attachment, target: Attachment): void {
    this.#pass(packet, from, target, target.down, () => {
      if (target.isUp) {
        this.#world.log.add(this.#world.nowMs, from.device.name, target.device.name, packet, null);
        target.device.receive(packet, target);
      } else {
        this.#drop(packet, from, target.device.name, "link down");
      }
    });
  }

  #pass(packet: Packet, from: Attachment, target: Attachment, model: LinkModel, then: () => void): void {
    const passage = model.pass(packetSizeBytes(packet), this.#world.nowMs);
    if ("dropped" in passage) this.#drop(packet, from, target.device.name, passage.dropped);
    else for (const atMs of passage.arrivals) this.#world.at(atMs, then);
  }

  #drop(packet: Packet, from: Attachment, toName: string, reason: string): void {
    this.#world.log.add(this.#world.nowMs, from.device.name, toName, packet, reason);
  }
}
