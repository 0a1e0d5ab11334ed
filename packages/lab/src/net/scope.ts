import type { LabProcess } from "./lab-process.ts";

/** What the parts of one lab share. */
export interface LabScope {
  /** Folder of this lab, removed with it. */
  readonly tempDir: string;
  /** Reserves a machine's name and returns that of its Linux namespace; throws when the name is taken or unusable. */
  claimNamespace(host: string): string;
  /** Remembers a program so that it ends with the lab. */
  track(started: LabProcess): void;
  /** A number that is unique within the lab. */
  nextNumber(): number;
}
