/** Exit codes of every command (design.md §12). */
export const EXIT_DONE = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printError(text: string): void {
  process.stderr.write(`asterism: ${text}\n`);
}

/** Left-aligned columns, two spaces apart; the last one runs free. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** `1 packet`, `2 packets`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** `10 Mbit/s`, `2.5 Gbit/s`. */
export function formatBits(bitsPerSecond: number): string {
  const units = ["bit", "kbit", "Mbit", "Gbit"];
  const place = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bitsPerSecond)) / 3));
  return `${Number((bitsPerSecond / 1000 ** place).toFixed(3))} ${units[place]}/s`;
}

export function formatMs(ms: number | null): string {
  if (ms === null) return "–";
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(1)} ms`;
}

/** `direct 203.0.113.7:41641 via eth0`, `relayed via relay.example`; the round-trip time where it is known. */
export function formatPath({
  kind,
  remote,
  link,
  relay,
  rttMs,
}: {
  readonly kind: "direct" | "relayed" | "none";
  readonly remote: string | null;
  readonly link: string | null;
  readonly relay: string | null;
  readonly rttMs: number | null;
}): string {
  if (kind === "none") return "no path";
  const way = kind === "relayed" ? `relayed via ${relay ?? remote ?? "?"}` : `direct ${remote ?? "?"}`;
  const by = kind === "direct" && link !== null ? ` via ${link}` : "";
  return `${way}${by}${rttMs === null ? "" : `, ${formatMs(rttMs)}`}`;
}
