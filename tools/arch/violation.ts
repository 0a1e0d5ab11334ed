/** One broken rule at one place. `warning` is reported and does not fail the gate. */
export interface Violation {
  readonly rule: RuleId;
  readonly file: string;
  /** 1 for the first line; 0 when the file as a whole is meant. */
  readonly line: number;
  readonly message: string;
}

/** Every rule of the gate with its severity. Each one has a planted violation under `tools/fixtures/arch/<rule>`. */
export const RULES = {
  "unknown-room": "error",
  "room-dependency": "error",
  "room-import": "error",
  "room-cycle": "error",
  "lab-at-run-time": "error",
  "undeclared-package": "error",
  "deep-import": "error",
  "barrel-file": "error",
  "catch-all-file": "error",
  "core-foreign-import": "error",
  "core-clock": "error",
  "core-randomness": "error",
  "core-timer": "error",
  "core-global": "error",
  "server-layers": "error",
  "napi-outside-binding": "error",
  "node-header-in-engine": "error",
  "addon-load": "error",
  "registry-host": "error",
  "machine-path": "error",
  "file-too-long": "error",
  "file-long": "warning",
} as const satisfies Record<string, "error" | "warning">;

export type RuleId = keyof typeof RULES;
