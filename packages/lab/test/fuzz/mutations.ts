import type { SeededRandom } from "../../src/virtual-internet/seeded-random.ts";

/** Values at the edges of what fields hold. */
const EDGES: readonly number[] = [0, 1, 2, 3, 4, 7, 8, 12, 16, 20, 32, 36, 0x3f, 0x40, 0x4f, 0x7f, 0x80, 0xfe, 0xff];
const MAX_BYTES = 2_048;

/** A message of the corpus with one to six mutations, seeded: bits, bytes, lengths, cuts, repeats and splices. */
export function mutate(corpus: readonly Uint8Array[], random: SeededRandom): Uint8Array {
  let bytes = Array.from(pick(corpus, random));
  const times = 1 + below(random, 6);
  for (let count = 0; count < times; count++) bytes = mutateOnce(bytes, corpus, random);
  return Uint8Array.from(bytes.slice(0, MAX_BYTES));
}

function mutateOnce(bytes: number[], corpus: readonly Uint8Array[], random: SeededRandom): number[] {
  const at = below(random, bytes.length + 1);
  const to = at + below(random, Math.min(40, bytes.length - at + 1));
  switch (below(random, 8)) {
    case 0:
      return bytes.with(Math.min(at, bytes.length - 1), (bytes[at] ?? 0) ^ (1 << below(random, 8)));
    case 1:
      return bytes.with(Math.min(at, bytes.length - 1), EDGES[below(random, EDGES.length)] ?? 0);
    case 2:
      return bytes.slice(0, Math.max(1, at));
    case 3:
      return [...bytes.slice(0, at), ...random.bytes(1 + below(random, 12)), ...bytes.slice(at)];
    case 4:
      return to - at < bytes.length ? [...bytes.slice(0, at), ...bytes.slice(to)] : bytes;
    case 5:
      return [...bytes.slice(0, to), ...bytes.slice(at)];
    case 6: {
      const other = pick(corpus, random);
      return [...bytes.slice(0, at), ...other.subarray(below(random, other.length))];
    }
    default:
      return withLength(bytes);
  }
}

/** With a STUN length that fits again, so that what is inside is looked at. */
function withLength(bytes: number[]): number[] {
  if (bytes.length < 20) return bytes;
  const whole = bytes.slice(0, bytes.length - (bytes.length % 4));
  const length = whole.length - 20;
  return [...whole.slice(0, 2), length >> 8, length & 0xff, ...whole.slice(4)];
}

function pick<T>(from: readonly T[], random: SeededRandom): T {
  const picked = from[below(random, from.length)];
  if (picked === undefined) throw new Error("nothing to pick from");
  return picked;
}

/** 0 ≤ x < `end`. */
function below(random: SeededRandom, end: number): number {
  return random.between(0, end - 1);
}
