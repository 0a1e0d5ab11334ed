/**
 * True if both byte strings are equal. The time taken depends on the lengths only, never on the
 * contents, so it may be used on authentication tags. Different lengths are unequal.
 */
export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  // SAFETY: the index is below both lengths; `?? 0` only satisfies noUncheckedIndexedAccess.
  for (let index = 0; index < a.length; index++) difference |= (a[index] ?? 0) ^ (b[index] ?? 0);
  return difference === 0;
}

/** True if every byte is zero, in time that depends on the length only. */
export function isAllZero(bytes: Uint8Array): boolean {
  let seen = 0;
  for (const byte of bytes) seen |= byte;
  return seen === 0;
}
