/**
 * Numbers in byte strings. `Be` is network order (most significant byte first), `Le` is WireGuard's.
 * Reading or writing past the end throws RangeError: parsers check lengths first.
 */

/** A view of exactly these bytes, not of the whole buffer behind them. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function readUint16Be(bytes: Uint8Array, offset: number): number {
  return viewOf(bytes).getUint16(offset);
}

export function readUint32Be(bytes: Uint8Array, offset: number): number {
  return viewOf(bytes).getUint32(offset);
}

export function readUint32Le(bytes: Uint8Array, offset: number): number {
  return viewOf(bytes).getUint32(offset, true);
}

export function readUint64Be(bytes: Uint8Array, offset: number): bigint {
  return viewOf(bytes).getBigUint64(offset);
}

export function writeUint16Be(bytes: Uint8Array, offset: number, value: number): void {
  viewOf(bytes).setUint16(offset, value);
}

export function writeUint32Be(bytes: Uint8Array, offset: number, value: number): void {
  viewOf(bytes).setUint32(offset, value);
}

export function writeUint32Le(bytes: Uint8Array, offset: number, value: number): void {
  viewOf(bytes).setUint32(offset, value, true);
}

export function writeUint64Be(bytes: Uint8Array, offset: number, value: bigint): void {
  viewOf(bytes).setBigUint64(offset, value);
}
