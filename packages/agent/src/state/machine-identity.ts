import { join } from "node:path";
import { encodeBase64, parseBase64 } from "@asterism/core/bytes";
import {
  type Crypto,
  generateMachineKeyPair,
  type MachineKeyPair,
  parseMachinePublicKey,
} from "@asterism/core/identity";
import { systemRandom } from "../platform/random.ts";
import { readJsonFile, writeJsonFile } from "./json-file.ts";

export interface LoadedIdentity {
  readonly machine: MachineKeyPair;
  /** What was wrong with the file, if a new identity had to be made. */
  readonly problem: string | null;
}

/** Loads the machine's long-lived key, or makes it at the first start. */
export function loadMachineIdentity(stateDir: string, crypto: Crypto): LoadedIdentity {
  const path = join(stateDir, "identity.json");
  const content = readJsonFile(path, (value) => parseIdentity(value, crypto));
  if (content.kind === "value") return { machine: content.value, problem: null };
  const machine = generateMachineKeyPair(crypto, systemRandom);
  writeJsonFile(path, {
    version: 1,
    machineKey: machine.publicKey,
    machinePrivateKey: encodeBase64(machine.privateKey),
  });
  if (content.kind === "absent") return { machine, problem: null };
  const problem =
    `the machine's identity file was damaged (${content.reason}) and is kept as ${content.keptAs}. This machine has ` +
    "a new identity: restore the file and restart the agent, or join its networks again with new keys.";
  return { machine, problem };
}

function parseIdentity(value: unknown, crypto: Crypto): MachineKeyPair {
  const fields = value as { machineKey?: unknown; machinePrivateKey?: unknown } | null;
  const publicKey = typeof fields?.machineKey === "string" ? parseMachinePublicKey(fields.machineKey) : undefined;
  const privateKey = typeof fields?.machinePrivateKey === "string" ? parseBase64(fields.machinePrivateKey) : undefined;
  if (publicKey === undefined || privateKey?.length !== 32) throw new Error("a key is missing or malformed");
  if (encodeBase64(crypto.ed25519PublicKey(privateKey)) !== publicKey) throw new Error("the keys don't fit together");
  return { privateKey, publicKey };
}
