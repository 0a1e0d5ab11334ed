import { isAsterismError } from "@asterism/core/errors";
import { type Command, CommanderError } from "commander";
import { createAdminCommand } from "../../src/commands/admin/admin.ts";

export interface AdminResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `asterism admin …` in this process: what it writes, and the exit code that the error it ends with stands for. */
export async function runAdmin(args: readonly string[]): Promise<AdminResult> {
  const output = { stdout: "", stderr: "" };
  const command = createAdminCommand();
  prepare(command, (text) => {
    output.stderr += text;
  });
  const write = process.stdout.write;
  process.stdout.write = ((text: string) => {
    output.stdout += text;
    return true;
  }) as typeof process.stdout.write;
  try {
    await command.parseAsync([...args], { from: "user" });
    return { code: 0, ...output };
  } catch (error) {
    if (error instanceof CommanderError) return { code: error.exitCode === 0 ? 0 : 2, ...output };
    if (isAsterismError(error)) return { ...output, code: error.exitCode, stderr: error.message };
    throw error;
  } finally {
    process.stdout.write = write;
  }
}

function prepare(command: Command, writeErr: (text: string) => void): void {
  command.exitOverride().configureOutput({ writeErr });
  for (const child of command.commands) prepare(child, writeErr);
}
