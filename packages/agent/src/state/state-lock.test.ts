import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StateLock } from "./state-lock.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "asterism-lock-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("the second holder is refused with what to do, and gets the lock once it is released", () => {
  const first = StateLock.acquire(folder);
  expect(() => StateLock.acquire(folder)).toThrow(expect.objectContaining({ code: "state-locked" }));
  expect(() => StateLock.acquire(folder)).toThrow(/--state/);
  first.release();
  StateLock.acquire(folder).release();
});

test("a process that is killed leaves no lock behind", async () => {
  const script = `
    import { StateLock } from ${JSON.stringify(new URL("./state-lock.ts", import.meta.url).href)};
    StateLock.acquire(${JSON.stringify(folder)});
    process.stdout.write("locked");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  try {
    await once(child.stdout, "data");
    expect(() => StateLock.acquire(folder)).toThrow(expect.objectContaining({ code: "state-locked" }));
  } finally {
    child.kill("SIGKILL");
  }
  await ended;
  StateLock.acquire(folder).release();
});
