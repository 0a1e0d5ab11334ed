import { join } from "node:path";
import type { AdminClient } from "@asterism/client";
import { parseFingerprint } from "@asterism/core/control";
import { AsterismError } from "@asterism/core/errors";
import { Command, Option } from "commander";
import { formatTable, printJson, printLine } from "../../output.ts";
import { dataOption } from "../server.ts";

/** Options that every admin command takes. */
export interface AdminOptions {
  readonly data: string;
  readonly url?: string;
  readonly token?: string;
  readonly fingerprint?: string;
  readonly json?: boolean;
}

/** A command with the options by which the server is found. */
export function adminCommand(name: string, description: string): Command {
  return addAdminOptions(new Command(name).description(description)).hook("preAction", (_, command) => {
    const source = (key: string) => command.getOptionValueSource(key);
    if (source("data") !== "cli" || source("url") === undefined) return;
    if (source("url") === "cli")
      throw new AsterismError("invalid-input", "Name the server by --data or by --url, not both.");
    // The flag says which server is meant, whatever the environment says.
    command.setOptionValueWithSource("url", undefined, undefined);
  });
}

/** The group of commands; options may also stand before the command's name. */
export function adminGroup(name: string, description: string): Command {
  return adminCommand(name, description).hook("preAction", (group, command) => {
    for (const key of ["data", "url", "token", "fingerprint", "json"]) {
      const given = group.getOptionValueSource(key) === "cli";
      if (given && command.getOptionValueSource(key) !== "cli") {
        command.setOptionValueWithSource(key, group.getOptionValue(key), "cli");
      }
    }
  });
}

function addAdminOptions(command: Command): Command {
  return command
    .addOption(dataOption())
    .addOption(
      new Option("--url <url>", "talk to a server elsewhere, with --token and --fingerprint").env("ASTERISM_URL"),
    )
    .addOption(new Option("--token <token>", "admin token (asterism admin token create)").env("ASTERISM_TOKEN"))
    .addOption(
      new Option("--fingerprint <sha256>", "SHA-256 of the certificate that the server must show").env(
        "ASTERISM_FINGERPRINT",
      ),
    )
    .option("--json", "print JSON");
}

/** Runs `action` with a client of the server that the options name. */
export async function withAdmin<T>(options: AdminOptions, action: (client: AdminClient) => Promise<T>): Promise<T> {
  const { AdminClient, chooseProxies, Dialer } = await import("@asterism/client");
  if (options.url === undefined) {
    return await action(new AdminClient({ kind: "socket", path: join(options.data, "admin.sock") }));
  }
  const fingerprint = parseFingerprint(options.fingerprint ?? "");
  if (options.token === undefined || fingerprint === undefined) {
    throw new AsterismError(
      "invalid-input",
      "--url needs --token (asterism admin token create) and --fingerprint (64 hex digits, see: asterism admin info), both made on the server itself.",
    );
  }
  const dialer = new Dialer(
    chooseProxies(process.env["ASTERISM_PROXY"], (problem) => process.stderr.write(`${problem}\n`)),
  );
  const url = trimUrl(options.url);
  return await action(new AdminClient({ kind: "url", url, token: options.token, fingerprint, dialer }));
}

function trimUrl(text: string): string {
  const url = text.replace(/\/+$/, "");
  if (URL.canParse(url) && url.startsWith("https://")) return url;
  throw new AsterismError(
    "invalid-input",
    `"${text}" is no server URL. Write it as https://host or https://host:port.`,
  );
}

/** Prints a list as JSON or as a table. */
export function printList<T>(
  items: readonly T[],
  options: AdminOptions,
  header: readonly string[],
  row: (item: T) => readonly string[],
): void {
  if (options.json === true) printJson(items);
  else if (items.length === 0) printLine("none");
  else printLine(formatTable([header, ...items.map(row)]));
}

/** Prints one thing as JSON, or as lines of `name  value`. */
export function printOne(item: object, options: AdminOptions): void {
  if (options.json === true) printJson(item);
  else printLine(formatTable(Object.entries(item).map(([name, value]) => [name, formatValue(value)])));
}

/** Says what was done, or `{}` plus the given facts for programs. */
export function printDone(text: string, facts: object, options: AdminOptions): void {
  if (options.json === true) printJson(facts);
  else printLine(text);
}

function formatValue(value: unknown): string {
  if (value === null || (Array.isArray(value) && value.length === 0)) return "–";
  return Array.isArray(value) ? value.join(", ") : JSON.stringify(value).replace(/^"|"$/g, "");
}
