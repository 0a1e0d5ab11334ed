const ENCODER = new TextEncoder();

/** The UTF-8 bytes of a text. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return ENCODER.encode(text);
}

/** The text of UTF-8 bytes; undefined if they are not well-formed. A byte order mark is kept as a character. */
export function parseUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Malformed input is an ordinary outcome here, not a failure.
    return undefined;
  }
}
