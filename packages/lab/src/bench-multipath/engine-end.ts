/**
 * One end of the tunnel of `bench:multipath`: a process with one engine device and a link per local address, between
 * two machines that know each other's keys beforehand.
 *
 * The argument is an `EndOptions` as JSON. Prints `{"ports":[…]}`, then answers each line of standard input, an
 * `EndCommand` as JSON, by one line.
 */
import { createInterface } from "node:readline";
import { type EngineDevice, type EnginePath, openDevice, type PathMode } from "@asterism/engine";

export interface EndOptions {
  /** 1 or 2. */
  readonly number: number;
  readonly interfaceName: string;
  readonly mtuBytes: number;
  readonly localAddresses: readonly string[];
  readonly peerPrefix: string;
}

export type EndCommand =
  | { readonly paths: readonly EndPath[]; readonly mode: PathMode }
  | { readonly read: "paths" | "drops" };

export interface EndPath {
  /** Index of the local address. */
  readonly link: number;
  readonly address: string;
  readonly port: number;
}

const SESSION_MS = 170_000;

function key(fill: number): Uint8Array {
  return new Uint8Array(32).fill(fill);
}

// SAFETY: the bench starts this program with its own options.
const options = JSON.parse(process.argv[2] ?? "") as EndOptions;
const { number } = options;
const other = 3 - number;
const device: EngineDevice = openDevice(
  {
    kind: "tun",
    interfaceName: options.interfaceName,
    mtuBytes: options.mtuBytes,
    publicKey: key(200 + number),
    pingIdentifier: 0xa57e,
  },
  () => undefined,
);
const links = options.localAddresses.map((ipv4) => device.openLink({ port: 0, ipv4, ipv6: null }));
const peer = device.addPeer();
device.setAllowedIps(peer, [options.peerPrefix]);
let sessions = 0;

/** A fresh session each time: it counts from 0, and none outlives its time. */
function renewSession(): void {
  const round = sessions++;
  device.installSession(peer, {
    localIndex: number * 0x1000 + round,
    remoteIndex: other * 0x1000 + round,
    sendKey: key(number * 64 + (round % 64)),
    receiveKey: key(other * 64 + (round % 64)),
    aead: "chacha20-poly1305",
    role: "initiator",
    expiresAt: (Number(process.hrtime.bigint()) / 1e6 + SESSION_MS) as never,
  });
}

function obey(command: EndCommand): unknown {
  if ("read" in command) return command.read === "paths" ? device.readPaths(peer) : device.readDrops();
  const paths = command.paths.map(
    ({ link, address, port }): EnginePath => ({
      linkId: links[link]?.id ?? (0 as never),
      remote: { address, port },
      channel: null,
      relayed: false,
      weight: 1,
      mtuBytes: 0,
    }),
  );
  device.setPaths(peer, paths, command.mode);
  renewSession();
  return { done: true };
}

console.log(JSON.stringify({ ports: links.map(({ port }) => port) }));
for await (const line of createInterface({ input: process.stdin })) {
  // SAFETY: the bench writes what it has typed as EndCommand.
  console.log(JSON.stringify(obey(JSON.parse(line) as EndCommand)));
}
device.close();
