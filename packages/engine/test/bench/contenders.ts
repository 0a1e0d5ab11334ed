/** What `compare.ts` compares: each joins two namespaces and gives the address to reach `b` by. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { inNamespace, ip, type NetnsPair, type Side } from "../netns-pair.ts";
import { type TunnelOptions, TunnelPair } from "../tunnel-pair.ts";

export interface Joined {
  readonly ipv4: string;
  readonly ipv6: string;
  /** Processes whose CPU time is the tunnel's. */
  readonly processes: readonly number[];
  close(): Promise<void>;
}

export type Contender = (pair: NetnsPair) => Promise<Joined>;

export const raw: Contender = async (pair) => ({
  ipv4: pair.b.ipv4,
  ipv6: pair.b.ipv6,
  processes: [],
  close: async () => undefined,
});

export function engine(options: TunnelOptions): Contender {
  return async (pair) => {
    const tunnel = await TunnelPair.open(pair, options);
    return {
      ipv4: tunnel.b.overlay4,
      ipv6: tunnel.b.overlay6,
      processes: [tunnel.a.engine.pid, tunnel.b.engine.pid],
      close: () => tunnel.close(),
    };
  };
}

export function wireguardGo(binary: string): Contender {
  return async (pair) => {
    const folder = mkdtempSync(join(tmpdir(), "engine-bench-"));
    const keys = [newKey(), newKey()];
    const ends: { process: ChildProcess; pid: number }[] = [];
    for (const [index, side] of [pair.a, pair.b].entries()) ends.push(await startEnd(binary, side, index));
    configure(pair.a, 0, pair.b, keys, folder);
    configure(pair.b, 1, pair.a, keys, folder);
    rmSync(folder, { recursive: true });
    return {
      ipv4: "100.64.0.2",
      ipv6: "fd64::2",
      processes: ends.map((end) => end.pid),
      close: async () => {
        for (const end of ends) end.process.kill();
        await delay(300);
      },
    };
  };
}

function newKey(): { readonly secret: string; readonly open: string } {
  const secret = execFileSync("wg", ["genkey"], { encoding: "utf8" }).trim();
  return { secret, open: execFileSync("wg", ["pubkey"], { input: secret, encoding: "utf8" }).trim() };
}

async function startEnd(binary: string, side: Side, index: number): Promise<{ process: ChildProcess; pid: number }> {
  const name = `wgb${index}`;
  const child = spawn("ip", ["netns", "exec", side.namespace, binary, "-f", name], {
    stdio: "ignore",
    env: { ...process.env, WG_PROCESS_FOREGROUND: "1" },
  });
  for (let i = 0; i < 100; i++) {
    await delay(30);
    try {
      ip("-n", side.namespace, "link", "show", name);
      return { process: child, pid: child.pid ?? 0 };
    } catch {
      // Not there yet.
    }
  }
  throw new Error(`${binary} did not create ${name}`);
}

function configure(
  side: Side,
  index: number,
  other: Side,
  keys: readonly { readonly secret: string; readonly open: string }[],
  folder: string,
): void {
  const name = `wgb${index}`;
  const file = join(folder, name);
  const own = keys[index];
  const theirs = keys[1 - index];
  if (own === undefined || theirs === undefined) throw new Error("two keys are needed");
  const number = 2 - index;
  writeFileSync(
    file,
    `[Interface]\nPrivateKey = ${own.secret}\nListenPort = 51820\n[Peer]\nPublicKey = ${theirs.open}\n` +
      `AllowedIPs = 100.64.0.${number}/32, fd64::${number}/128\nEndpoint = ${other.ipv4}:51820\n`,
  );
  chmodSync(file, 0o600);
  inNamespace(side.namespace, "wg", "setconf", name, file);
  ip("-n", side.namespace, "addr", "add", `100.64.0.${index + 1}/24`, "dev", name);
  ip("-n", side.namespace, "-6", "addr", "add", `fd64::${index + 1}/64`, "dev", name, "nodad");
  ip("-n", side.namespace, "link", "set", name, "mtu", "1420", "up");
}
