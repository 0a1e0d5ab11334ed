export {
  encodeAddress,
  encodeXorAddress,
  parseAddress,
  parseXorAddress,
  readAddress,
  readXorAddress,
} from "./address-attributes.ts";
export { isComprehensionRequired, STUN_ATTRIBUTE, STUN_METHOD_BINDING } from "./attribute-types.ts";
export {
  type ChangeRequest,
  encodeAttributeTypes,
  encodeChangeRequest,
  encodeErrorCode,
  encodePasswordAlgorithm,
  encodeTieBreaker,
  encodeUint32,
  parseAttributeTypes,
  parseChangeRequest,
  parseErrorCode,
  parseTieBreaker,
  parseUint32,
  type StunError,
  unknownRequiredAttributes,
} from "./attribute-values.ts";
export { encodeStun, type StunToEncode } from "./encode.ts";
export {
  type IntegrityKind,
  longTermKey,
  type PasswordAlgorithm,
  shortTermKey,
  type Verdict,
  verifyFingerprint,
  verifyIntegrity,
} from "./integrity.ts";
export {
  findAttribute,
  looksLikeStun,
  MAX_STUN_BYTES,
  type ParsedStun,
  parseStun,
  type StunAttribute,
  type StunClass,
  type StunDropReason,
  type StunMessage,
  TRANSACTION_ID_BYTES,
} from "./message.ts";
export { StunTransaction, type TransactionEvent, type TransactionOptions } from "./transaction.ts";
