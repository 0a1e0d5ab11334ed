import { randomBytes } from "node:crypto";
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { AsterismError } from "@asterism/core/errors";

const SECRET_FILE = "relay-secret";
const SECRET_BYTES = 32;

/**
 * The shared secret of the data folder's relay: read, or made at the first start (mode 0600, the folder 0700).
 * Throws `permission-denied` or `state-damaged`.
 */
export async function loadOrCreateSecret(dataDir: string): Promise<string> {
  const path = join(dataDir, SECRET_FILE);
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    return await createSecret(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return readSecret(path);
    throw new AsterismError("permission-denied", `The relay's secret can't be written to ${path}.`, { cause });
  }
}

/** Fails with EEXIST if there is one. */
async function createSecret(path: string): Promise<string> {
  const secret = randomBytes(SECRET_BYTES).toString("base64url");
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(`${secret}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  return secret;
}

async function readSecret(path: string): Promise<string> {
  const secret = (await readFile(path, "utf8")).trim();
  if (/^[A-Za-z0-9_-]{16,}$/.test(secret)) return secret;
  throw new AsterismError("state-damaged", `${path} holds no secret. Remove it; the relay makes a new one.`);
}
