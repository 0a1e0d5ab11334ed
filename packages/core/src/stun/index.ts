export { isComprehensionRequired, STUN_ATTRIBUTE, STUN_METHOD_BINDING } from "./attribute-types.ts";
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
} from "./message.ts";
