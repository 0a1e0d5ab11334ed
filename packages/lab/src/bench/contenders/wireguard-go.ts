import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Host } from "../../net/host.ts";
import { LabError } from "../../net/lab-error.ts";
import { type ExecOptions, type ExecResult, execute, type LabProcess } from "../../net/lab-process.ts";
import type { Availability, Contender } from "../contender.ts";
import { outerPair } from "../outer-pair.ts";
import type { Tunnel } from "../scenario.ts";
import { fetchBackport, findInstalled } from "../wireguard-go-binary.ts";

const PORT = 51_820;

const DEVICE = "wg0";

interface Side {
  readonly host: Host;
  readonly process: LabProcess;
  readonly privateKey: string;
  readonly publicKey: string;
  readonly outer: string;
  readonly inner: string;
  readonly inner6: string;
}

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
      const [a, b] = await Promise.all([
        openSide(binary, outer.a, outer.outerA, 1),
        openSide(binary, outer.b, outer.outerB, 2),
      ]);
      await Promise.all([configure(a, b), configure(b, a)]);
      return {
        a: a.host,
        b: b.host,
        addressA: a.inner,
        addressB: b.inner,
        ipv6A: a.inner6,
        ipv6B: b.inner6,
        processGroups: [a.process.pid, b.process.pid],
        note: "chacha20-poly1305",
        close: async () => {
          await Promise.all([a.process.stop(), b.process.stop()]);
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

async function openSide(binary: string, host: Host, outer: string, number: number): Promise<Side> {
  return {
    host,
    process: await startDevice(binary, host),
    ...(await keyPair()),
    outer,
    inner: `10.77.0.${number}`,
    inner6: `fd77::${number}`,
  };
}

/** Every wireguard-go of a machine puts its control socket into one folder: each gets a folder of its own here. */
const PRIVATE_SOCKETS = 'mkdir -p /run/wireguard; mount -t tmpfs none /run/wireguard; exec "$@"';

async function startDevice(binary: string, host: Host): Promise<LabProcess> {
  const argv = ["unshare", "--mount", "sh", "-ec", PRIVATE_SOCKETS, "sh", binary, "-f", DEVICE];
  const started = host.spawn(argv, { env: { LOG_LEVEL: "error" } });
  for (let attempt = 0; attempt < 100 && started.running; attempt++) {
    const shown = await wg(started, ["show", DEVICE], { allowFailure: true });
    if (shown.code === 0) return started;
    await delay(50);
  }
  throw new LabError(`wireguard-go did not open its device: ${started.describe()}`);
}

/** Runs `wg` where the device's control socket is seen. */
function wg(device: LabProcess, args: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
  return execute(["nsenter", "--target", String(device.pid), "--mount", "--net", "wg", ...args], options);
}

async function configure(self: Side, peer: Side): Promise<void> {
  const keyFile = join(await self.host.folder("wireguard"), "key");
  await writeFile(keyFile, self.privateKey, { mode: 0o600 });
  const args = ["set", DEVICE, "listen-port", String(PORT), "private-key", keyFile, "peer", peer.publicKey];
  args.push("endpoint", `${peer.outer}:${PORT}`, "allowed-ips", `${peer.inner}/32,${peer.inner6}/128`);
  await wg(self.process, args);
  await self.host.ip([
    `addr add ${self.inner}/24 dev ${DEVICE}`,
    `addr add ${self.inner6}/64 dev ${DEVICE} nodad`,
    `link set ${DEVICE} up`,
  ]);
}

export const WIREGUARD_GO_STABLE = wireguardGo("wireguard-go-stable", findInstalled);
export const WIREGUARD_GO_NEWEST = wireguardGo("wireguard-go-newest", fetchBackport);
