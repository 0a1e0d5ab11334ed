import { expect, test } from "vitest";
import { hasAesInstructions } from "./aes-instructions.ts";

test.each([
  ["an x86 core with both", "processor\t: 0\nflags\t\t: fpu sse2 pclmulqdq aes avx2\n", true],
  ["an x86 core without the multiplication", "flags\t\t: fpu sse2 aes avx2\n", false],
  ["an arm64 core with both", "Features\t: fp asimd aes pmull sha1\n", true],
  ["a Raspberry Pi 4", "Features\t: fp asimd evtstrm crc32 cpuid\n", false],
  ["a flag that only begins alike", "flags\t\t: aesni pclmulqdq\n", false],
  ["nothing known", "", false],
])("%s", (_what, cpuInfo, expected) => {
  expect(hasAesInstructions(cpuInfo)).toBe(expected);
});
