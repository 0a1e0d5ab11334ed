import "reflect-metadata";
import { createHash, randomBytes, webcrypto } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { AsterismError } from "@asterism/core/errors";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { writeSecretFile } from "./data-folder.ts";

export interface Certificate {
  readonly certificatePem: string;
  readonly keyPem: string;
  /** SHA-256 of the certificate in DER, 32 bytes. */
  readonly fingerprint: Uint8Array;
}

const CERTIFICATE_FILE = "certificate.pem";
const VALID_YEARS = 10;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/**
 * The server's certificate: read from the data folder, or made at the first start. It stays the same for as long as the
 * folder lives, because agents know it by its fingerprint; the host in it is for browsers only.
 * Certificate and key are one file (mode 0600), so that no crash can leave one without the other.
 */
export async function loadOrCreateCertificate(dataDir: string, host: string, now: number): Promise<Certificate> {
  const path = join(dataDir, CERTIFICATE_FILE);
  const stored = await readIfThere(path);
  if (stored !== undefined) return readCertificate(stored, path);
  const pem = await createCertificate(host, now);
  await writeSecretFile(path, pem);
  return readCertificate(pem, path);
}

async function createCertificate(host: string, now: number): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const notAfter = new Date(now);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + VALID_YEARS);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: `01${randomBytes(15).toString("hex")}`,
      name: "CN=Asterism server",
      // A day back, for machines whose clock is behind.
      notBefore: new Date(now - 24 * 60 * 60 * 1000),
      notAfter,
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        new SubjectAlternativeNameExtension([{ type: isIP(host) === 0 ? "dns" : "ip", value: host }]),
      ],
    },
    webcrypto,
  );
  const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return `${certificate.toString("pem")}\n${PemConverter.encode(key, PemConverter.PrivateKeyTag)}\n`;
}

function readCertificate(pem: string, path: string): Certificate {
  const certificatePem = pemBlock(pem, "CERTIFICATE");
  const keyPem = pemBlock(pem, "PRIVATE KEY");
  if (certificatePem === undefined || keyPem === undefined) throw damaged(path);
  try {
    const der = new Uint8Array(new X509Certificate(certificatePem).rawData);
    return { certificatePem, keyPem, fingerprint: new Uint8Array(createHash("sha256").update(der).digest()) };
  } catch (cause) {
    throw damaged(path, cause);
  }
}

function pemBlock(pem: string, tag: string): string | undefined {
  return new RegExp(`-----BEGIN ${tag}-----[A-Za-z0-9+/=\\s]+-----END ${tag}-----`).exec(pem)?.[0];
}

function damaged(path: string, cause?: unknown): AsterismError {
  return new AsterismError(
    "state-damaged",
    `${path} can't be read as certificate and key. Restore it from a backup. Without it all agents must join again: to accept that, move it away and start again.`,
    { cause, details: { path } },
  );
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
