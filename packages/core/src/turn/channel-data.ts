/**
 * ChannelData (RFC 8656 §12.4): a datagram for, or from, the peer that a channel is bound to.
 *
 *   offset  size  field
 *   0       2     channel number, 0x4000–0x4FFF
 *   2       2     length of the data
 *   4       ..    data
 *   ..      0–3   over a stream always, over UDP never needed: padding to a multiple of 4
 */
import { readUint16Be, writeUint16Be } from "../bytes/index.ts";

export const CHANNEL_DATA_HEADER_BYTES = 4;
export const MIN_CHANNEL = 0x4000;
/** Largest number that a client of RFC 8656 §12 may bind. */
export const MAX_CHANNEL = 0x4fff;
/** Clients of RFC 5766 §11, coturn's among them, bind numbers up to this one; no other protocol begins so. */
export const MAX_LEGACY_CHANNEL = 0x7fff;

export interface ChannelData {
  readonly channel: number;
  /** A view of the input. */
  readonly data: Uint8Array;
}

export type ChannelDataDropReason =
  | "channel-data-too-short"
  | "channel-data-no-channel"
  | "channel-data-truncated"
  | "channel-data-too-long";

export type ParsedChannelData =
  | ({ readonly ok: true } & ChannelData)
  | { readonly ok: false; readonly reason: ChannelDataDropReason };

/** Cheap test by the first byte; see also `looksLikeStun`. Legacy numbers count. */
export function looksLikeChannelData(bytes: Uint8Array): boolean {
  return bytes.length >= CHANNEL_DATA_HEADER_BYTES && ((bytes[0] ?? 0) & 0xc0) === 0x40;
}

/** One datagram, or one frame of a stream, becomes its parts or a reason to drop it. Padding is optional. */
export function parseChannelData(bytes: Uint8Array): ParsedChannelData {
  if (bytes.length < CHANNEL_DATA_HEADER_BYTES) return { ok: false, reason: "channel-data-too-short" };
  if (!looksLikeChannelData(bytes)) return { ok: false, reason: "channel-data-no-channel" };
  const end = CHANNEL_DATA_HEADER_BYTES + readUint16Be(bytes, 2);
  if (end > bytes.length) return { ok: false, reason: "channel-data-truncated" };
  if (bytes.length - end > 3) return { ok: false, reason: "channel-data-too-long" };
  return { ok: true, channel: readUint16Be(bytes, 0), data: bytes.subarray(CHANNEL_DATA_HEADER_BYTES, end) };
}

/** `padded` for streams. Throws RangeError for what has no encoding. */
export function encodeChannelData({ channel, data }: ChannelData, padded: "padded" | "bare"): Uint8Array<ArrayBuffer> {
  if (channel < MIN_CHANNEL || channel > MAX_LEGACY_CHANNEL) throw new RangeError(`no channel: ${channel}`);
  if (data.length > 0xffff) throw new RangeError(`${data.length} bytes don't fit into one ChannelData message`);
  const sizeBytes = CHANNEL_DATA_HEADER_BYTES + data.length;
  const bytes = new Uint8Array(padded === "padded" ? (sizeBytes + 3) & ~3 : sizeBytes);
  writeUint16Be(bytes, 0, channel);
  writeUint16Be(bytes, 2, data.length);
  bytes.set(data, CHANNEL_DATA_HEADER_BYTES);
  return bytes;
}
