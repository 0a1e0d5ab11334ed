import { execFile } from "node:child_process";
import { AsterismError } from "@asterism/core/errors";

/** Runs iproute2's `ip` with `input` on standard input; resolves to its standard output. */
export function runIp(args: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile("ip", args, { timeout: 10_000, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error === null) {
        resolve(stdout);
        return;
      }
      const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
      const message = missing
        ? "the command `ip` is missing: install the package iproute2"
        : `ip ${args.join(" ")}: ${stderr.trim() || error.message}`;
      reject(new AsterismError("interface-failed", message, { cause: error }));
    });
    // `ip` may end before it has read all (or any) input; what it says then is in its exit code.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}
