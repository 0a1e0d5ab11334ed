/**
 * TAI64N labels, 12 bytes (https://cr.yp.to/libtai/tai64.html): big-endian seconds from 2^62 + 10 at 1970, then
 * big-endian nanoseconds. As byte strings they sort by time. WireGuard wants each greater than the one before
 * (paper §5.1), from a clock that need not be right.
 */
import { writeUint32Be, writeUint64Be } from "../bytes/index.ts";
import type { WallTime } from "../time.ts";

export const TAI64N_SIZE_BYTES = 12;
const TAI64_EPOCH = 0x4000_0000_0000_000an;
/** 2^24 ns, about 17 ms: finer steps would tell an observer about this host's clock (wireguard-go rounds alike). */
const ROUNDING_NANOSECONDS = 0x0100_0000;

export function tai64n(wall: WallTime): Uint8Array {
  const wallMs = Math.max(0, Math.floor(wall));
  const nanoseconds = (wallMs % 1_000) * 1_000_000;
  const label = new Uint8Array(TAI64N_SIZE_BYTES);
  writeUint64Be(label, 0, TAI64_EPOCH + BigInt(Math.floor(wallMs / 1_000)));
  writeUint32Be(label, 8, nanoseconds - (nanoseconds % ROUNDING_NANOSECONDS));
  return label;
}

/** The label of `wall`, or the least one after `previous` where the clock stood still or went back. */
export function tai64nAfter(previous: Uint8Array | undefined, wall: WallTime): Uint8Array {
  const label = tai64n(wall);
  if (previous === undefined || isLater(label, previous)) return label;
  return successor(previous);
}

/** True if label `a` is of a later time than label `b`. */
export function isLater(a: Uint8Array, b: Uint8Array): boolean {
  for (let index = 0; index < TAI64N_SIZE_BYTES; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

/** The next label as a byte string. Peers compare nothing else, so that the carry out of the nanoseconds may be plain. */
function successor(label: Uint8Array): Uint8Array {
  const next = label.slice();
  for (let index = TAI64N_SIZE_BYTES - 1; index >= 0; index--) {
    const byte = ((next[index] ?? 0) + 1) & 255;
    next[index] = byte;
    if (byte !== 0) break;
  }
  return next;
}
