/**
 * Numbers in byte strings. `Be` is network order (most significant byte first), `Le` is WireGuard's.
 * Reading or writing past the end throws RangeError: parsers check lengths first.
 */

/** A view of exactly these bytes, not of the whole buffer behind them. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function readUint16Be(bytes: Uint8Array, offset: number): number {
  const high = bytes[offset];
  const low = bytes[offset + 1];
  if (high === undefined || low === undefined) throw pastTheEnd(bytes, offset);
  return (high << 8) | low;
}

export function readUint32Be(bytes: Uint8Array, offset: number): number {
  return ((readUint16Be(bytes, offset) << 16) | readUint16Be(bytes, offset + 2)) >>> 0;
}

export function readUint32Le(bytes: Uint8Array, offset: number): number {
  return viewOf(bytes).getUint32(offset, true);
}

export function readUint64Be(bytes: Uint8Array, offset: number): bigint {
  return viewOf(bytes).getBigUint64(offset);
}

export function writeUint16Be(bytes: Uint8Array, offset: number, value: number): void {
  if (bytes[offset] === undefined || bytes[offset + 1] === undefined) throw pastTheEnd(bytes, offset);
  bytes[offset] = value >>> 8;
  bytes[offset + 1] = value;
}

export function writeUint32Be(bytes: Uint8Array, offset: number, value: number): void {
  writeUint16Be(bytes, offset + 2, value);
  writeUint16Be(bytes, offset, value >>> 16);
}

export function writeUint32Le(bytes: Uint8Array, offset: number, value: number): void {
  viewOf(bytes).setUint32(offset, value, true);
}

export function writeUint64Be(bytes: Uint8Array, offset: number, value: bigint): void {
  viewOf(bytes).setBigUint64(offset, value);
}

function pastTheEnd(bytes: Uint8Array, offset: number): RangeError {
  return new RangeError(`no number at ${offset} of ${bytes.length} bytes`);
}
