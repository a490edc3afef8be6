/** Numbers as JSON.stringify prints them, written as bytes; -0 prints as `-0`, since it must come out equal. */
import type { OutputBuffer } from "./output_buffer.ts";

const ZERO = 0x30, MINUS = 0x2d, POINT = 0x2e, QUOTE = 0x22;

/** The most bytes that writeDouble, writeSafeInteger and writeBigint write. */
export const MAX_DOUBLE_BYTES = 26;
export const MAX_INTEGER_BYTES = 20;

/** Four decimal digits of 0 to 9999, the first in the lowest byte, so that one store writes them in order. */
const FOUR_DIGITS = new Uint32Array(10_000);
for (let i = 0; i < 10_000; i++) {
  const digits = [Math.floor(i / 1000), Math.floor(i / 100) % 10, Math.floor(i / 10) % 10, i % 10];
  FOUR_DIGITS[i] = (0x30303030 | digits[0] | (digits[1] << 8) | (digits[2] << 16) | (digits[3] << 24)) >>> 0;
}

/** Writes 0 to 9999 in exactly four digits. */
export function writeFourDigits(out: OutputBuffer, position: number, value: number): number {
  out.view.setUint32(position, FOUR_DIGITS[value], true);
  return position + 4;
}

/** Writes the last `count` (1 to 4) digits of 0 to 9999. */
export function writePadded(out: OutputBuffer, position: number, value: number, count: number): number {
  out.view.setUint32(position, FOUR_DIGITS[value] >>> ((4 - count) << 3), true);
  return position + count;
}

/** The digits are counted without branches: numbers of a column differ in length, and a wrong guess costs more. */
function writeUpTo9999(out: OutputBuffer, position: number, value: number): number {
  return writePadded(out, position, value, 1 + ((9 - value) >>> 31) + ((99 - value) >>> 31) + ((999 - value) >>> 31));
}

/** Writes 0 to 99,999,999 in exactly eight digits. */
export function writeEightDigits(out: OutputBuffer, position: number, value: number): number {
  const high = (value / 10_000) | 0;
  out.view.setUint32(position, FOUR_DIGITS[high], true);
  out.view.setUint32(position + 4, FOUR_DIGITS[value - high * 10_000], true);
  return position + 8;
}

function writeBelow1e8(out: OutputBuffer, position: number, value: number): number {
  if (value < 10_000) return writeUpTo9999(out, position, value);
  const high = (value / 10_000) | 0;
  return writeFourDigits(out, writeUpTo9999(out, position, high), value - high * 10_000);
}

/** Writes a whole number, 0 to 2^53. */
export function writeUnsigned(out: OutputBuffer, position: number, value: number): number {
  if (value < 1e8) return writeBelow1e8(out, position, value | 0);
  const high = Math.floor(value / 1e8);
  return writeEightDigits(out, writeBelow1e8(out, position, high | 0), (value - high * 1e8) | 0);
}

/** Writes a whole number within +-2^53. -0 prints as 0. */
export function writeSafeInteger(out: OutputBuffer, position: number, value: number): number {
  if (value >= 0) return writeUnsigned(out, position, value);
  out.bytes[position] = MINUS;
  return writeUnsigned(out, position + 1, -value);
}

/** Writes text of ASCII alone. */
export function writeAscii(out: OutputBuffer, position: number, text: string): number {
  const bytes = out.bytes;
  for (let i = 0; i < text.length; i++) bytes[position + i] = text.charCodeAt(i);
  return position + text.length;
}

/** Two different decimals of at most 15 digits are never the same double, so the one found is what String() prints. */
const MAX_MANTISSA = 1e15;
/** Below this String() prints an exponent. */
const MIN_DECIMAL = 1e-6;

/**
 * Writes a double as String() prints it, but -0 as `-0`. JSON has no NaN and no infinities: they are written as the
 * strings "NaN", "Infinity" and "-Infinity" (they can only come from Avro), which no finite number is equal to.
 */
export function writeDouble(out: OutputBuffer, position: number, value: number): number {
  const magnitude = Math.abs(value);
  if (!(magnitude < MAX_MANTISSA)) return writeAnyDouble(out, position, value);
  const start = position;
  if (value < 0 || Object.is(value, -0)) out.bytes[position++] = MINUS;
  const whole = Math.floor(magnitude);
  if (magnitude === whole) return writeUnsigned(out, position, whole);
  if (magnitude < MIN_DECIMAL) return writeAnyDouble(out, start, value);
  const thousandths = Math.round(magnitude * 1e3);
  if (isDecimal(magnitude, thousandths, 1e3)) {
    return writeThousandths(out, writeUnsigned(out, position, whole), (thousandths - whole * 1e3) | 0);
  }
  const mantissa = Math.round(magnitude * 1e7);
  if (isDecimal(magnitude, mantissa, 1e7)) {
    return writeTenMillionths(out, writeUnsigned(out, position, whole), (mantissa - whole * 1e7) | 0);
  }
  return writeAnyDouble(out, start, value);
}

/** Whether `magnitude` is the double nearest to mantissa / scale. The division alone would do; it is the slow part. */
function isDecimal(magnitude: number, mantissa: number, scale: number): boolean {
  return mantissa < MAX_MANTISSA && Math.abs(magnitude * scale - mantissa) < 1e-3 && mantissa / scale === magnitude;
}

/** Writes the decimals 1 to 999 thousandths. */
function writeThousandths(out: OutputBuffer, position: number, fraction: number): number {
  out.bytes[position] = POINT;
  writePadded(out, position + 1, fraction, 3);
  return position + 4 - (fraction % 10 !== 0 ? 0 : fraction % 100 !== 0 ? 1 : 2);
}

/** Writes the decimals 1 to 9,999,999 ten-millionths. */
function writeTenMillionths(out: OutputBuffer, position: number, fraction: number): number {
  const { bytes } = out;
  bytes[position] = POINT;
  const high = (fraction / 10_000) | 0;
  writePadded(out, position + 1, high, 3);
  position = writeFourDigits(out, position + 4, fraction - high * 10_000);
  while (bytes[position - 1] === ZERO) position--;
  return position;
}

function writeAnyDouble(out: OutputBuffer, position: number, value: number): number {
  if (Number.isFinite(value)) return writeAscii(out, position, String(value));
  out.bytes[position++] = QUOTE;
  position = writeAscii(out, position, String(value));
  out.bytes[position++] = QUOTE;
  return position;
}

/** The words of a BigInt64Array, so that no BigInt is made for numbers that a double holds. */
export function bigintWords(values: BigInt64Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length * 2);
}

const TWO_32 = 2 ** 32;

/** Writes the 64-bit integer `index` of the words. */
export function writeBigint(out: OutputBuffer, position: number, words: Int32Array, index: number): number {
  const low = words[index << 1], high = words[(index << 1) + 1];
  if (high === low >> 31) return writeSafeInteger(out, position, low);
  if (high >= -0x200000 && high < 0x200000) return writeSafeInteger(out, position, high * TWO_32 + (low >>> 0));
  return writeAscii(out, position, String((BigInt(high) << 32n) | BigInt(low >>> 0)));
}
