export { encodeBase64, encodeBase64Url, parseBase64, parseBase64Url } from "./base64.ts";
export {
  readUint16Be,
  readUint32Be,
  readUint32Le,
  readUint64Be,
  viewOf,
  writeUint16Be,
  writeUint32Be,
  writeUint32Le,
  writeUint64Be,
} from "./byte-order.ts";
export { concatBytes } from "./concat.ts";
export { bytesEqual, isAllZero } from "./equal.ts";
export { encodeHex, parseHex } from "./hex.ts";
export { encodeUtf8, parseUtf8 } from "./text.ts";
export { wipe } from "./wipe.ts";
