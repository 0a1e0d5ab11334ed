/** A failure of the test network itself or of a program run in it; the text names the command and shows its output. */
export class LabError extends Error {
  override readonly name = "LabError";
}

/** The sentence that every program of the lab prints when it can't work here, or `undefined` when it can. */
export function whyLabCannotRun(): string | undefined {
  if (process.platform !== "linux") return "the lab builds Linux network namespaces: run it on Linux";
  if (process.getuid?.() !== 0) return "the lab creates network namespaces and interfaces: run it as root (sudo)";
  return undefined;
}
