export { TRANSPORT_UDP, TURN_ATTRIBUTE, TURN_ERROR, TURN_METHOD, type TurnErrorCode } from "./attribute-types.ts";
export {
  type AddressError,
  type AddressFamily,
  encodeAddressError,
  encodeAddressFamily,
  encodeChannelNumber,
  encodeEvenPort,
  encodeIcmp,
  encodePasswordAlgorithms,
  encodeRequestedTransport,
  type IcmpError,
  type PasswordAlgorithmNumber,
  parseAddressError,
  parseAddressFamily,
  parseChannelNumber,
  parseEvenPort,
  parseIcmp,
  parsePasswordAlgorithms,
  parseRequestedTransport,
  parseReservationToken,
  RESERVATION_TOKEN_BYTES,
} from "./attribute-values.ts";
export {
  CHANNEL_DATA_HEADER_BYTES,
  type ChannelData,
  type ChannelDataDropReason,
  encodeChannelData,
  looksLikeChannelData,
  MAX_CHANNEL,
  MAX_LEGACY_CHANNEL,
  MIN_CHANNEL,
  type ParsedChannelData,
  parseChannelData,
} from "./channel-data.ts";
export { TurnClient } from "./client.ts";
export type {
  TurnClientEvent,
  TurnClientOptions,
  TurnClientSnapshot,
  TurnClientState,
  TurnDropReason,
  TurnFailure,
  TurnPeerSnapshot,
  TurnTimerReason,
} from "./client-types.ts";
export {
  type CheckedTurnUsername,
  checkTurnUsername,
  makeTurnCredentials,
  type TurnCredentials,
} from "./credentials.ts";
export { encodeNonceCookie, type NonceFeatures, parseNonceFeatures } from "./nonce-cookie.ts";
export { type StreamDropReason, type StreamReaderOptions, type TurnFrame, TurnStreamReader } from "./stream-reader.ts";
