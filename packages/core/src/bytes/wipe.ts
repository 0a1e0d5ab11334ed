/** Overwrites key material with zeros. Copies that the runtime made elsewhere are out of reach. */
export function wipe(...secrets: readonly (Uint8Array | undefined)[]): void {
  for (const secret of secrets) secret?.fill(0);
}
