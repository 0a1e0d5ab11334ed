import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly distribution: string;
  readonly node: string;
  readonly openssl: string;
  /** AES and vector instructions that decide how fast sealing goes. */
  readonly instructions: readonly string[];
}

const TELLING_FLAGS = ["aes", "avx2", "avx512f", "vaes", "vpclmulqdq"];

export function describeMachine(): Machine {
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" ") ?? [];
  const distribution = /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "unknown";
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    distribution,
    node: process.version,
    openssl: process.versions.openssl,
    instructions: TELLING_FLAGS.filter((flag) => flags.includes(flag)),
  };
}
