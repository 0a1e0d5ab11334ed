import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Host } from "../../net/host.ts";
import { LabError } from "../../net/lab-error.ts";
import { execute, type LabProcess } from "../../net/lab-process.ts";
import type { Availability, Contender } from "../contender.ts";
import { outerPair } from "../outer-pair.ts";
import type { Tunnel } from "../scenario.ts";
import { fetchBackport, findInstalled } from "../wireguard-go-binary.ts";

const PORT = 51_820;

interface Side {
  readonly host: Host;
  readonly device: string;
  readonly privateKey: string;
  readonly publicKey: string;
  readonly outer: string;
  readonly inner: string;
  readonly inner6: string;
}

let devices = 0;

function wireguardGo(name: string, find: () => Promise<{ path: string; version: string }>): Contender {
  let binary = "";
  return {
    name,
    async prepare(): Promise<Availability> {
      try {
        const found = await find();
        binary = found.path;
        return { available: true, version: found.version };
      } catch (error: unknown) {
        return { available: false, reason: error instanceof Error ? error.message.trim() : String(error) };
      }
    },
    async open(lab, setting): Promise<Tunnel> {
      const outer = await outerPair(lab, setting);
      // Control sockets of wireguard-go lie in one folder whatever the namespace: names are unique on the machine.
      const number = ++devices;
      const side = async (host: Host, letter: "a" | "b", address: string, suffix: number): Promise<Side> => ({
        host,
        device: `w${letter}${process.pid.toString(36)}n${number}`,
        ...(await keyPair()),
        outer: address,
        inner: `10.77.0.${suffix}`,
        inner6: `fd77::${suffix}`,
      });
      const [a, b] = await Promise.all([side(outer.a, "a", outer.outerA, 1), side(outer.b, "b", outer.outerB, 2)]);
      const started = await Promise.all([startDevice(binary, a), startDevice(binary, b)]);
      await Promise.all([configure(a, b), configure(b, a)]);
      return {
        a: a.host,
        b: b.host,
        addressA: a.inner,
        addressB: b.inner,
        ipv6A: a.inner6,
        ipv6B: b.inner6,
        processGroups: started.map(({ pid }) => pid),
        note: "chacha20-poly1305",
        close: async () => {
          // It removes its control socket when it is asked to end.
          await Promise.all(started.map((device) => device.stop()));
        },
      };
    },
  };
}

async function keyPair(): Promise<{ privateKey: string; publicKey: string }> {
  const privateKey = (await execute(["wg", "genkey"])).stdout.trim();
  const publicKey = (await execute(["wg", "pubkey"], { input: privateKey })).stdout.trim();
  return { privateKey, publicKey };
}

async function startDevice(binary: string, side: Side): Promise<LabProcess> {
  const started = side.host.spawn([binary, "-f", side.device], { env: { LOG_LEVEL: "error" } });
  for (let attempt = 0; attempt < 100 && started.running; attempt++) {
    const shown = await side.host.exec(["wg", "show", side.device], { allowFailure: true });
    if (shown.code === 0) return started;
    await delay(50);
  }
  throw new LabError(`wireguard-go did not open its device: ${started.describe()}`);
}

async function configure(self: Side, peer: Side): Promise<void> {
  const keyFile = join(await self.host.folder("wireguard"), "key");
  await writeFile(keyFile, self.privateKey, { mode: 0o600 });
  const argv = ["wg", "set", self.device, "listen-port", String(PORT), "private-key", keyFile, "peer"];
  argv.push(peer.publicKey, "endpoint", `${peer.outer}:${PORT}`, "allowed-ips", `${peer.inner}/32,${peer.inner6}/128`);
  await self.host.exec(argv);
  await self.host.ip([
    `addr add ${self.inner}/24 dev ${self.device}`,
    `addr add ${self.inner6}/64 dev ${self.device} nodad`,
    `link set ${self.device} up`,
  ]);
}

export const WIREGUARD_GO_STABLE = wireguardGo("wireguard-go-stable", findInstalled);
export const WIREGUARD_GO_NEWEST = wireguardGo("wireguard-go-newest", fetchBackport);
