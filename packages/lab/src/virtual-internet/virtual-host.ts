/**
 * A host of the virtual internet: interfaces, UDP sockets and streams, and any number of sans-I/O machines that share them.
 *
 * A socket is a link in the words of the engine: `PathAddress.linkId` names it. Machines are driven the way a shell
 * drives them: after every input their outputs are drained and one alarm is set.
 */
import type { LinkId, PathAddress, UdpAddress } from "@asterism/core/net";
import type { Instant, WallTime } from "@asterism/core/time";
import type { Packet } from "./packet.ts";
import type { Attachment, AttachmentConditions, Device, Segment } from "./segment.ts";
import { type StreamHandlers, StreamStack, type VirtualStream } from "./stream-stack.ts";
import type { World } from "./world.ts";

/** What a machine, or a small adapter around one, must offer. */
export interface VirtualMachine {
  /** True if the datagram was for this machine; others are not asked then. */
  handleDatagram(bytes: Uint8Array, from: PathAddress, now: Instant): boolean;
  handleTimeout(now: Instant): void;
  pollTimeout(): { readonly at: Instant } | undefined;
  pollTransmit(): { readonly to: PathAddress; readonly bytes: Uint8Array } | undefined;
  /** The host has slept: its monotonic clock stood still, the world's did not. */
  handleResume?(now: Instant): void;
}

export interface InterfaceOptions extends AttachmentConditions {
  readonly ipv4?: string;
  readonly ipv6?: string;
}

export class VirtualInterface {
  #attachment: Attachment;
  ipv4: string | undefined;
  ipv6: string | undefined;

  constructor(attachment: Attachment) {
    this.#attachment = attachment;
  }

  get attachment(): Attachment {
    return this.#attachment;
  }

  /** Leaves its segment for another one, as a laptop does that is carried to another Wi-Fi. */
  moveTo(segment: Segment, options: InterfaceOptions): void {
    this.setAddresses({});
    this.#attachment = segment.attach(this.#attachment.device, options);
    this.setAddresses(options);
  }

  /** Replaces the interface's addresses, as a new lease or another Wi-Fi would. */
  setAddresses(options: { readonly ipv4?: string; readonly ipv6?: string }): void {
    const { segment } = this.attachment;
    for (const address of [this.ipv4, this.ipv6]) if (address !== undefined) segment.removeAddress(address);
    this.ipv4 = options.ipv4;
    this.ipv6 = options.ipv6;
    for (const address of [this.ipv4, this.ipv6]) {
      if (address !== undefined) segment.addAddress(address, this.attachment);
    }
  }

  addressFor(destination: string): string | undefined {
    return destination.includes(":") ? this.ipv6 : this.ipv4;
  }
}

interface VirtualSocket {
  readonly linkId: LinkId;
  readonly interface: VirtualInterface;
  readonly port: number;
}

interface RunningMachine {
  readonly machine: VirtualMachine;
  /** The alarm that is set; an older one that fires later is ignored. */
  alarmAt: number | undefined;
}

/** Monotonic clocks of different hosts have nothing to do with each other. */
const MONOTONIC_BASE_RANGE_MS = 1_000_000;
/** Sums of times are not exact. */
const ROUNDING_MS = 1e-6;
/** How soon after it wakes up a host does what fell due. */
const WAKE_POLL_MS = 100;
const WALL_BASE_MS = 1_800_000_000_000;

export class VirtualHost implements Device {
  readonly name: string;
  readonly #world: World;
  readonly #sockets: VirtualSocket[] = []; // bounded: by the scenario
  readonly #machines: RunningMachine[] = []; // bounded: by the scenario
  readonly #interfaces: VirtualInterface[] = []; // bounded: by the scenario
  readonly #streams: StreamStack;
  /** Datagrams that have left since the beginning. */
  sentPackets = 0;
  #nextLinkId = 1;
  #monotonicOffsetMs: number;
  #wallOffsetMs = 0;
  /** When the world was left; undefined while awake. */
  #asleepSinceMs: number | undefined;

  constructor(name: string, world: World) {
    this.name = name;
    this.#world = world;
    this.#monotonicOffsetMs = world.random.between(1, MONOTONIC_BASE_RANGE_MS);
    this.#streams = new StreamStack({
      send: (packet) => this.#sendPacket(packet),
      after: (delayMs, run) => this.#afterAwake(delayMs, run),
      nowMs: () => world.nowMs,
    });
  }

  /** The host's monotonic clock. */
  get now(): Instant {
    return ((this.#asleepSinceMs ?? this.#world.nowMs) + this.#monotonicOffsetMs) as Instant;
  }

  get wallNow(): WallTime {
    return Math.trunc(WALL_BASE_MS + this.#world.nowMs + this.#wallOffsetMs) as WallTime;
  }

  /** What a clock shows that nobody has set wrong. */
  get trueWallNow(): WallTime {
    return Math.trunc(WALL_BASE_MS + this.#world.nowMs) as WallTime;
  }

  connect(segment: Segment, options: InterfaceOptions = {}): VirtualInterface {
    const made = new VirtualInterface(segment.attach(this, options));
    made.setAddresses(options);
    this.#interfaces.push(made);
    return made;
  }

  /** A number for a link that is no UDP socket. */
  nextLinkId(): LinkId {
    return this.#nextLinkId++;
  }

  /** Opens a stream from the first interface with an address of the right kind; `onClosed` follows if there is none. */
  openStream(to: UdpAddress, handlers: StreamHandlers): VirtualStream {
    const from = this.#interfaces.find((candidate) => candidate.addressFor(to.address) !== undefined);
    return this.#streams.open(from?.addressFor(to.address) ?? "0.0.0.0", to, handlers);
  }

  /** Takes streams to this port. */
  listenForStreams(port: number, accept: (stream: VirtualStream) => StreamHandlers): void {
    this.#streams.listen(port, accept);
  }

  closeStreamPort(port: number): void {
    this.#streams.close(port);
  }

  /** Opens a UDP socket on one interface. */
  openSocket(on: VirtualInterface, port: number): LinkId {
    const linkId = this.#nextLinkId++;
    this.#sockets.push({ linkId, interface: on, port });
    return linkId;
  }

  closeSocket(linkId: LinkId): void {
    const index = this.#sockets.findIndex((socket) => socket.linkId === linkId);
    if (index >= 0) this.#sockets.splice(index, 1);
  }

  /** Takes over a machine: datagrams, alarms and what it wants to send. */
  run(machine: VirtualMachine): void {
    const running: RunningMachine = { machine, alarmAt: undefined };
    this.#machines.push(running);
    this.#drain(running);
  }

  /** The machine's process has ended: it gets nothing any more. */
  halt(machine: VirtualMachine): void {
    const index = this.#machines.findIndex((running) => running.machine === machine);
    const [halted] = index < 0 ? [] : this.#machines.splice(index, 1);
    if (halted !== undefined) halted.alarmAt = undefined;
  }

  get isAsleep(): boolean {
    return this.#asleepSinceMs !== undefined;
  }

  /** Does something to the machines from outside (a wish, a call) and drains them. A host that sleeps does nothing. */
  act(change: (now: Instant, wallNow: WallTime) => void): void {
    if (this.#asleepSinceMs !== undefined) return;
    change(this.now, this.wallNow);
    for (const running of this.#machines) this.#drain(running);
  }

  receive(packet: Packet, attachment: Attachment): void {
    if (this.#asleepSinceMs !== undefined) return;
    const { stream } = packet;
    if (stream !== undefined) {
      this.act(() => this.#streams.receive({ ...packet, stream }));
      return;
    }
    const socket = this.#sockets.find(
      (candidate) => candidate.interface.attachment === attachment && candidate.port === packet.destination.port,
    );
    if (socket === undefined) return;
    const from = { linkId: socket.linkId, remote: packet.source, channel: null };
    for (const running of this.#machines) {
      const isTaken = running.machine.handleDatagram(packet.bytes, from, this.now);
      this.#drain(running);
      if (isTaken) return;
    }
  }

  send(to: PathAddress, bytes: Uint8Array): void {
    const socket = this.#sockets.find(({ linkId }) => linkId === to.linkId);
    const address = socket?.interface.addressFor(to.remote.address);
    if (socket === undefined || address === undefined || this.#asleepSinceMs !== undefined) return;
    this.sentPackets += 1;
    const { attachment } = socket.interface;
    attachment.segment.send({ source: { address, port: socket.port }, destination: to.remote, bytes }, attachment);
  }

  #sendPacket(packet: Packet): void {
    const from = this.#interfaces.find((candidate) => {
      return candidate.addressFor(packet.destination.address) === packet.source.address;
    });
    if (from === undefined || this.#asleepSinceMs !== undefined) return;
    from.attachment.segment.send(packet, from.attachment);
  }

  /** What falls due while the host sleeps happens when it wakes up. */
  #afterAwake(delayMs: number, run: () => void): void {
    this.#world.after(delayMs, () => {
      if (this.#asleepSinceMs === undefined) this.act(run);
      else this.#afterAwake(WAKE_POLL_MS, run);
    });
  }

  /**
   * Suspends the host: nothing is received or sent, and the monotonic clock stands still. It goes on (`runs`) where only
   * the processes are stopped. Nothing happens if the host sleeps already.
   */
  sleep(durationMs: number, monotonicClock: "stands" | "runs" = "stands"): void {
    if (this.#asleepSinceMs !== undefined) return;
    this.#asleepSinceMs = this.#world.nowMs;
    this.#world.after(durationMs, () => {
      this.#asleepSinceMs = undefined;
      if (monotonicClock === "stands") this.#monotonicOffsetMs -= durationMs;
      for (const running of this.#machines) {
        // Alarms that went off meanwhile were not heard.
        if (running.alarmAt !== undefined) this.#setAlarm(running, running.alarmAt);
        running.machine.handleResume?.(this.now);
        this.#drain(running);
      }
    });
  }

  /** Somebody sets the wall clock. */
  jumpWallClock(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  #drain(running: RunningMachine): void {
    const { machine } = running;
    for (let sent = machine.pollTransmit(); sent !== undefined; sent = machine.pollTransmit()) {
      this.send(sent.to, sent.bytes);
    }
    const alarmAt = machine.pollTimeout()?.at;
    if (alarmAt === running.alarmAt) return;
    running.alarmAt = alarmAt;
    if (alarmAt !== undefined) this.#setAlarm(running, alarmAt);
  }

  #setAlarm(running: RunningMachine, at: number): void {
    this.#world.after(at - this.now, () => {
      if (running.alarmAt !== at || this.#asleepSinceMs !== undefined) return;
      if (this.now < at - ROUNDING_MS) {
        // The host's clock stood still for a while.
        this.#setAlarm(running, at);
        return;
      }
      running.alarmAt = undefined;
      running.machine.handleTimeout(Math.max(this.now, at) as Instant);
      this.#drain(running);
    });
  }
}
