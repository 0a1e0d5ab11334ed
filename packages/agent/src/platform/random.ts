import { randomBytes } from "node:crypto";
import type { RandomBytes } from "@asterism/core/random";

/** The system's cryptographic random source. */
export const systemRandom: RandomBytes = (sizeBytes) => new Uint8Array(randomBytes(sizeBytes));
