import { readFileSync } from "node:fs";

/** Flags that an x86-64 or an arm64 core shows when it has instructions for AES and for GCM's multiplication. */
const REQUIRED = [
  ["aes", "pclmulqdq"],
  ["aes", "pmull"],
] as const;

/** True if AES-256-GCM is fast here; without the instructions ChaCha20-Poly1305 is the faster cipher by far. */
export function hasAesInstructions(cpuInfo: string = readCpuInfo()): boolean {
  const line = /^(?:flags|Features)\s*:(.*)$/m.exec(cpuInfo)?.[1] ?? "";
  const flags = new Set(line.trim().split(/\s+/));
  return REQUIRED.some((required) => required.every((flag) => flags.has(flag)));
}

function readCpuInfo(): string {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return ""; // not known: do without
  }
}
