/** Source of cryptographically secure random bytes, handed to every machine that needs some. */
export type RandomBytes = (sizeBytes: number) => Uint8Array;

/** A uniform number in [0, 1), for jitter. */
export function randomUnit(random: RandomBytes): number {
  const bytes = random(4);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 0x1_0000_0000;
}

export function randomUint32(random: RandomBytes): number {
  const bytes = random(4);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
}
