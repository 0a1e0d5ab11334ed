/** The environment in which tests leave out what only repeats the same statement with other seeds (docs/testing.md). */
export const QUICK_TESTS = { ASTERISM_QUICK_TESTS: "1" };
