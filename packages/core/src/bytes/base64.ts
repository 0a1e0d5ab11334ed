/**
 * Base64 of RFC 4648: the standard alphabet with padding (§4, as in `wg`'s keys) and the URL-safe one without (§5).
 *
 * Parsing is strict, so that a value has exactly one text: no white space, no missing or superfluous padding,
 * no characters of the other alphabet, and zero in the unused bits of the last character.
 */
const STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const STANDARD_VALUES = valuesOf(STANDARD);
const URL_SAFE_VALUES = valuesOf(URL_SAFE);
const NO_VALUE = 255;

export function encodeBase64(bytes: Uint8Array): string {
  const text = encode(bytes, STANDARD);
  return text.padEnd(Math.ceil(text.length / 4) * 4, "=");
}

/** Undefined if `text` is not the one standard, padded form of some bytes. */
export function parseBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 4 !== 0) return undefined;
  let end = text.length;
  if (text.endsWith("==")) end -= 2;
  else if (text.endsWith("=")) end -= 1;
  return parse(text, end, STANDARD_VALUES);
}

/** Without padding. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return encode(bytes, URL_SAFE);
}

/** Undefined if `text` is not the one URL-safe, unpadded form of some bytes. */
export function parseBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  return parse(text, text.length, URL_SAFE_VALUES);
}

function encode(bytes: Uint8Array, alphabet: string): string {
  let text = "";
  let pending = 0;
  let pendingBits = 0;
  for (const byte of bytes) {
    pending = ((pending << 8) | byte) & 0xffff;
    pendingBits += 8;
    while (pendingBits >= 6) {
      pendingBits -= 6;
      text += alphabet.charAt((pending >> pendingBits) & 63);
    }
  }
  if (pendingBits > 0) text += alphabet.charAt((pending << (6 - pendingBits)) & 63);
  return text;
}

function parse(text: string, end: number, values: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  if (end % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((end * 3) / 4));
  let pending = 0;
  let pendingBits = 0;
  let offset = 0;
  for (let index = 0; index < end; index++) {
    const value = values[text.charCodeAt(index)] ?? NO_VALUE;
    if (value === NO_VALUE) return undefined;
    pending = ((pending << 6) | value) & 0xffff;
    pendingBits += 6;
    if (pendingBits >= 8) {
      pendingBits -= 8;
      bytes[offset++] = (pending >> pendingBits) & 255;
    }
  }
  const unused = pending & ((1 << pendingBits) - 1);
  return unused === 0 ? bytes : undefined;
}

function valuesOf(alphabet: string): Uint8Array {
  const values = new Uint8Array(128).fill(255);
  for (let value = 0; value < alphabet.length; value++) values[alphabet.charCodeAt(value)] = value;
  return values;
}
