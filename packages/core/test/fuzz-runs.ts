/**
 * How many runs a property test makes: its own number, times the environment variable `ASTERISM_FUZZ_FACTOR` for a
 * long run of the same tests.
 */
export function fuzzRuns(ordinary: number): { readonly numRuns: number } {
  const factor = Number(process.env["ASTERISM_FUZZ_FACTOR"] ?? "1");
  return { numRuns: ordinary * Math.max(1, Math.floor(factor)) };
}
