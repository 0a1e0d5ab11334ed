/** A Markdown table's lines. */
export function table(header: readonly string[], body: readonly (readonly string[])[]): string[] {
  return [header, header.map(() => "---"), ...body].map((cells) => `| ${cells.join(" | ")} |`);
}

export function milliseconds(value: number | null): string {
  return value === null ? "–" : `${value} ms`;
}
