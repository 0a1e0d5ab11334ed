import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { execute, Lab, LabProcess, labNamespaces, sweepLeftovers } from "../../src/index.ts";

const HOLD_LAB = fileURLToPath(new URL("../fixtures/hold-lab.ts", import.meta.url));

interface Held {
  readonly owner: LabProcess;
  readonly sleeperPid: number;
  readonly tempDir: string;
}

async function holdLab(): Promise<Held> {
  const owner = LabProcess.start([process.execPath, HOLD_LAB]);
  const line = await owner.waitForOutput(/holding (\d+) (\S+)/);
  return { owner, sleeperPid: Number(line[1]), tempDir: line[2] ?? "" };
}

function remainsOf(held: Held): string[] {
  const remains = labNamespaces().filter((name) => name.startsWith(`astlab-${held.owner.pid}-`));
  if (runs(held.sleeperPid)) remains.push(`pid ${held.sleeperPid}`);
  if (existsSync(held.tempDir)) remains.push(held.tempDir);
  return remains;
}

/** A zombie that init has yet to collect doesn't count. */
function runs(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

afterEach(() => void sweepLeftovers());

describe("a lab leaves nothing behind", () => {
  test("after disposal, even when the body throws", async () => {
    let prefix = "";
    let tempDir = "";
    const body = async (): Promise<void> => {
      await using lab = Lab.create("thrown");
      const host = await lab.host("a");
      prefix = host.namespace;
      tempDir = lab.tempDir;
      host.spawn(["sleep", "600"]);
      throw new Error("on purpose");
    };
    await expect(body()).rejects.toThrow("on purpose");
    expect(labNamespaces()).not.toContain(prefix);
    expect(existsSync(tempDir)).toBe(false);
  });

  test.each(["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] as const)("after %s", async (signal) => {
    const held = await holdLab();
    expect(remainsOf(held)).not.toEqual([]);
    process.kill(held.owner.pid, signal);
    expect((await held.owner.exited).signal).toBe(signal);
    await expect.poll(() => remainsOf(held), { timeout: 10_000 }).toEqual([]);
  });

  test("after kill -9 of the process and of its reaper, by the next lab", async () => {
    const held = await holdLab();
    const { stdout } = await execute(["pgrep", "-P", String(held.owner.pid), "-f", "asterism-lab-reaper"]);
    process.kill(Number(stdout.trim()), "SIGKILL");
    process.kill(held.owner.pid, "SIGKILL");
    await held.owner.exited;
    expect(remainsOf(held)).not.toEqual([]);
    await using _lab = Lab.create("next");
    expect(remainsOf(held)).toEqual([]);
  });

  test("a living lab of another process is left alone", async () => {
    const held = await holdLab();
    sweepLeftovers();
    expect(remainsOf(held).length).toBeGreaterThan(2);
    held.owner.kill("SIGTERM");
    await held.owner.exited;
  });
});
