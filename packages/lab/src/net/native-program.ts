import { fileURLToPath } from "node:url";
import { execute } from "./lab-process.ts";

const NATIVE_DIR = fileURLToPath(new URL("../../native", import.meta.url));

let built: Promise<unknown> | undefined;

/** Path of one of the lab's own C++ programs, built once per process; a lock keeps several processes from building at once. */
export async function nativeProgram(name: "linkbox" | "relayload"): Promise<string> {
  built ??= execute(["flock", NATIVE_DIR, "make", "--silent", "-C", NATIVE_DIR], { timeoutMs: 120_000 });
  await built;
  return `${NATIVE_DIR}/build/${name}`;
}
