import { timingSafeEqual } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  bytesEqual,
  concatBytes,
  encodeHex,
  encodeUtf8,
  isAllZero,
  parseHex,
  parseUtf8,
  readUint16Be,
  readUint32Be,
  readUint32Le,
  readUint64Be,
  wipe,
  writeUint16Be,
  writeUint32Be,
  writeUint32Le,
  writeUint64Be,
} from "./index.ts";

const anyBytes = fc.uint8Array({ maxLength: 40 });

test("concatBytes joins and copies", () => {
  fc.assert(
    fc.property(fc.array(anyBytes, { maxLength: 5 }), (parts) => {
      expect(Buffer.from(concatBytes(...parts))).toEqual(Buffer.concat(parts));
    }),
  );
  const part = Uint8Array.of(1);
  const joined = concatBytes(part);
  part[0] = 2;
  expect(joined[0]).toBe(1);
});

test("bytesEqual agrees with node:crypto", () => {
  fc.assert(
    fc.property(anyBytes, anyBytes, (a, b) => {
      expect(bytesEqual(a, a.slice())).toBe(true);
      expect(bytesEqual(a, b)).toBe(a.length === b.length && timingSafeEqual(a, b));
    }),
  );
  expect(bytesEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
  expect(bytesEqual(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false);
});

test("hex round-trips and refuses anything else", () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      expect(encodeHex(bytes)).toBe(Buffer.from(bytes).toString("hex"));
      expect(parseHex(encodeHex(bytes).toUpperCase())).toEqual(bytes);
    }),
  );
  for (const text of ["a", "0g", "0x00", " 00", "00 ", "00\n"]) expect(parseHex(text)).toBeUndefined();
});

test("numbers are read at an offset inside a slice of a larger buffer", () => {
  const bytes = Uint8Array.of(9, 9, 1, 2, 3, 4, 5, 6, 7, 8).subarray(2);
  expect(readUint16Be(bytes, 1)).toBe(0x0203);
  expect(readUint32Be(bytes, 0)).toBe(0x01020304);
  expect(readUint32Le(bytes, 0)).toBe(0x04030201);
  expect(readUint64Be(bytes, 0)).toBe(0x0102030405060708n);
  expect(() => readUint32Be(bytes, 5)).toThrow(RangeError);
});

test("numbers are written in the stated order", () => {
  const bytes = new Uint8Array(18);
  writeUint16Be(bytes, 0, 0x0102);
  writeUint32Be(bytes, 2, 0xfffefdfc);
  writeUint32Le(bytes, 6, 0x01020304);
  writeUint64Be(bytes, 10, 0x0102030405060708n);
  expect(encodeHex(bytes)).toBe("0102fffefdfc040302010102030405060708");
});

test("UTF-8 round-trips; malformed bytes are refused", () => {
  expect(parseUtf8(encodeUtf8("Sterne ★"))).toBe("Sterne ★");
  expect(parseUtf8(Uint8Array.of(0xc3))).toBeUndefined();
});

test("wipe leaves zeros", () => {
  const key = Uint8Array.of(1, 2, 3);
  expect(isAllZero(key)).toBe(false);
  wipe(key, undefined);
  expect(isAllZero(key)).toBe(true);
});
