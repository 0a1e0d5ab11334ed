/**
 * One end of a WireGuard tunnel out of the core's machine and the packet engine, and nothing else: no server, no
 * paths but one. Runs in a host of the lab, prints what happens as JSON lines, and takes commands as lines:
 *
 *   request            ask for a session          relink PORT   go on from another port, as after a change of NAT
 *   forge-load         be under load from here on
 *   request-under-load flood the peer with forged initiations until it sends a cookie reply, then ask for a session
 */
import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import { nodeCrypto } from "@asterism/agent/node-crypto";
import { parseBase64 } from "@asterism/core/bytes";
import { type PathAddress, pathAddressEquals, type UdpAddress } from "@asterism/core/net";
import type { ClockReading, Instant, WallTime } from "@asterism/core/time";
import { WireGuard, type WireGuardEvent } from "@asterism/core/wireguard";
import { type EngineDevice, type EngineEvent, type LinkInfo, openDevice } from "@asterism/engine";
import { forgedInitiation } from "../../../core/test/forged-initiation.ts";

export interface WireguardEndConfig {
  readonly interfaceName: string;
  /** Keys in base64. */
  readonly privateKey: string;
  readonly port: number;
  readonly peerKey: string;
  readonly presharedKey?: string;
  /** Where the peer is; absent if it comes to us. */
  readonly endpoint?: UdpAddress;
  readonly allowedIps: readonly string[];
}

export type WireguardEndReport =
  | { readonly event: "ready" | "confirmed" | "cookie-accepted" }
  | { readonly event: "session"; readonly role: string }
  | { readonly event: "roamed"; readonly to: UdpAddress }
  | { readonly event: "failed" | "dropped"; readonly reason: string };

const systemRandom = (sizeBytes: number): Uint8Array => new Uint8Array(randomBytes(sizeBytes));
const FACTS_EVERY_MS = 1_000;
const FORGED_EVERY_MS = 500;
const FORGED_AT_ONCE = 120;
const COOKIE_REPLY_TYPE = 3;
const FLOOD_EVERY_MS = 10;
const FLOOD_AT_ONCE = 250;
/** The peer is under load for 1 s. In a part of that what is left of the flood is gone, and takes no room. */
const FLOOD_FADES_MS = 100;

class WireguardEnd {
  readonly #config: WireguardEndConfig;
  readonly #machine: WireGuard;
  readonly #device: EngineDevice;
  readonly #handle: number;
  readonly #peerId: number;
  #link: LinkInfo;
  #path: PathAddress | undefined;
  #alarm: NodeJS.Timeout | undefined;
  #flood: NodeJS.Timeout | undefined;

  constructor(config: WireguardEndConfig) {
    this.#config = config;
    const privateKey = bytesOf(config.privateKey);
    this.#machine = new WireGuard({ privateKey, crypto: nodeCrypto, random: systemRandom });
    const { publicKey } = this.#machine;
    const options = { kind: "tun", mtuBytes: 1420, pingIdentifier: 0, publicKey } as const;
    this.#device = openDevice({ ...options, interfaceName: config.interfaceName }, (events) => this.#onEvents(events));
    this.#link = this.#device.openLink({ port: config.port, ipv4: "0.0.0.0", ipv6: "::" });
    this.#peerId = this.#device.addPeer();
    this.#device.setAllowedIps(this.#peerId, config.allowedIps);
    const psk = config.presharedKey === undefined ? {} : { presharedKey: bytesOf(config.presharedKey) };
    this.#handle = this.#machine.addPeer({ publicKey: bytesOf(config.peerKey), ...psk });
    if (config.endpoint !== undefined) this.#usePath(config.endpoint);
    setInterval(() => this.#step(() => undefined), FACTS_EVERY_MS);
    report({ event: "ready" });
  }

  handleCommand(line: string): void {
    const [name, argument] = line.split(" ");
    if (name === "request") this.#request();
    else if (name === "relink") this.#relink(Number(argument));
    else if (name === "forge-load") this.#forgeLoad();
    else if (name === "request-under-load") this.#floodPeer();
    else throw new Error(`unknown command: ${line}`);
  }

  #onEvents(events: readonly EngineEvent[]): void {
    for (const event of events) this.#step((time) => this.#handleEngineEvent(event, time));
  }

  #handleEngineEvent(event: EngineEvent, time: ClockReading): void {
    if (event.kind === "datagram" && event.protocol === "wireguard") {
      if (event.bytes[0] === COOKIE_REPLY_TYPE) this.#requestAfterFlood();
      const dropped = this.#machine.handleDatagram(event.bytes, event.from, time);
      if (dropped !== undefined) report({ event: "dropped", reason: dropped });
      else if (event.bytes[0] === COOKIE_REPLY_TYPE) report({ event: "cookie-accepted" });
    } else if (event.kind === "session-needed") {
      this.#machine.requestSession(this.#handle, time);
    } else if (event.kind === "session-confirmed") {
      this.#machine.handleSessionConfirmed(this.#handle, event.localIndex, time);
      report({ event: "confirmed" });
    } else if (event.kind === "roamed") {
      this.#usePath(event.from.remote);
    } else if (event.kind === "failed") {
      report({ event: "failed", reason: event.message });
    }
  }

  /** One input with fresh facts, then all outputs and the next alarm: the whole of what a shell has to do. */
  #step(input: (time: ClockReading) => void): void {
    const time = readClock();
    input(time);
    this.#machine.handleTraffic(this.#handle, this.#device.readPeer(this.#peerId), time);
    this.#machine.handleTimeout(time);
    for (let event = this.#machine.pollEvent(); event !== undefined; event = this.#machine.pollEvent()) {
      this.#apply(event);
    }
    for (let out = this.#machine.pollTransmit(); out !== undefined; out = this.#machine.pollTransmit()) {
      const to = out.to === "paths" ? this.#path : out.to;
      if (to !== undefined) this.#device.send(to, out.bytes);
    }
    clearTimeout(this.#alarm);
    const due = this.#machine.pollTimeout();
    if (due !== undefined) this.#alarm = setTimeout(() => this.#step(() => undefined), Math.max(1, due.at - time.now));
  }

  #apply(event: WireGuardEvent): void {
    switch (event.kind) {
      case "session":
        this.#device.installSession(this.#peerId, { ...event, aead: "chacha20-poly1305" });
        event.sendKey.fill(0);
        event.receiveKey.fill(0);
        report({ event: "session", role: event.role });
        return;
      case "session-ended":
        this.#device.removeSession(this.#peerId, event.localIndex);
        return;
      case "keepalive":
        this.#device.sendKeepalive(this.#peerId);
        return;
      case "authenticated":
        this.#usePath(event.from.remote);
        return;
      case "handshake-failed":
        report({ event: "failed", reason: event.reason });
        return;
    }
  }

  #usePath(remote: UdpAddress): void {
    const path: PathAddress = { linkId: this.#link.id, remote, channel: null };
    if (this.#path !== undefined && pathAddressEquals(path, this.#path)) return;
    this.#path = path;
    this.#device.setPaths(this.#peerId, [{ ...path, relayed: false, weight: 1, mtuBytes: 0 }], "best");
    report({ event: "roamed", to: remote });
  }

  #relink(port: number): void {
    const old = this.#link;
    this.#link = this.#device.openLink({ port, ipv4: "0.0.0.0", ipv6: "::" });
    if (this.#path !== undefined) this.#usePath(this.#path.remote);
    this.#device.closeLink(old.id);
    this.#device.sendKeepalive(this.#peerId);
  }

  #forgeLoad(): void {
    const from: PathAddress = { linkId: this.#link.id, remote: { address: "203.0.113.250", port: 9 }, channel: null };
    const forge = (): void => {
      const time = readClock();
      for (let count = 0; count < FORGED_AT_ONCE; count++) {
        this.#machine.handleDatagram(forgedInitiation(this.#machine.publicKey, systemRandom), from, time);
        while (this.#machine.pollTransmit() !== undefined);
      }
    };
    forge();
    setInterval(forge, FORGED_EVERY_MS);
  }

  #floodPeer(): void {
    const message = forgedInitiation(bytesOf(this.#config.peerKey), systemRandom);
    this.#flood = setInterval(() => {
      if (this.#path === undefined) throw new Error("nowhere to send to");
      for (let sent = 0; sent < FLOOD_AT_ONCE; sent++) this.#device.send(this.#path, message);
    }, FLOOD_EVERY_MS);
  }

  #requestAfterFlood(): void {
    if (this.#flood === undefined) return;
    clearInterval(this.#flood);
    this.#flood = undefined;
    setTimeout(() => this.#request(), FLOOD_FADES_MS);
  }

  #request(): void {
    this.#step((time) => this.#machine.requestSession(this.#handle, time));
  }
}

function readClock(): ClockReading {
  return { now: (Number(process.hrtime.bigint() / 1_000n) / 1_000) as Instant, wall: Date.now() as WallTime };
}

function bytesOf(base64: string): Uint8Array {
  const bytes = parseBase64(base64);
  if (bytes === undefined) throw new Error(`not base64: ${base64}`);
  return bytes;
}

function report(line: WireguardEndReport): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const end = new WireguardEnd(JSON.parse(process.argv[2] ?? "{}") as WireguardEndConfig);
createInterface({ input: process.stdin }).on("line", (line) => end.handleCommand(line));
