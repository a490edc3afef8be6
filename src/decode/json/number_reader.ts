import { isExactDouble } from "../../columnar/decimal.ts";
import { BIGINT, DOUBLE, INTEGER, JSON_TEXT, type Kind, UNTYPED } from "../../columnar/kinds.ts";
import { DOT, LOWER_E, MINUS, PLUS, UPPER_E, ZERO } from "../bytes.ts";
import { JsonTextReader } from "./text_reader.ts";
import { POWERS_OF_TEN } from "../powers_of_ten.ts";
import { shortestDouble } from "../shortest_double.ts";

/** Decimal numbers of up to 15 digits survive a double. */
export const FIFTEEN_DIGITS = 1e15;
/** Longer numbers stay text: comparing their digits would cost more than they are worth. */
const MAX_COMPARED_LENGTH = 400;
const INT32_RANGE = 2_147_483_648;

/** Reads numbers exactly. */
export class JsonNumberReader extends JsonTextReader {
  /** The narrowest kind of the number read last: INTEGER, BIGINT, DOUBLE, or JSON_TEXT when no type holds it exactly. */
  protected numberKind: Kind = UNTYPED;
  /** The nearest double. */
  protected numberValue = 0;
  /** The number that readDigits made of digits. */
  protected digitsValue = 0;
  /** A BIGINT's two halves. */
  protected low = 0;
  protected high = 0;

  /**
   * Continues the whole number `value` with the digits at `pos`, of which there may be none, and leaves it in
   * `digitsValue`: exact while below 2^53, at least 2^53 otherwise. Returns the position after the digits.
   *
   * Four digits at a time: the branches depend on how many words a number takes, which is mostly the same for all values
   * of a column, and not on its digits.
   */
  protected readDigits(pos: number, value: number): number {
    const view = this.view, lastWord = this.lastWord;
    while (pos <= lastWord) {
      const digits = view.getInt32(pos, true) ^ 0x30303030;
      const others = ((digits + 0x76767676) | digits) & 0x80808080;
      if (others === 0) {
        value = value * 10_000 + fourDigits(digits);
        pos += 4;
        continue;
      }
      // Bits before the first byte that isn't a digit: 0, 8, 16 or 24.
      const bits = 24 - Math.clz32(others & -others);
      if (bits > 0) {
        value = value * POWERS_OF_TEN[bits >> 3] + fourDigits(digits << (32 - bits));
        pos += bits >> 3;
      }
      this.digitsValue = value;
      return pos;
    }
    const bytes = this.bytes;
    for (let digit = bytes[pos] - 48; digit >= 0 && digit <= 9; digit = bytes[++pos] - 48) value = value * 10 + digit;
    this.digitsValue = value;
    return pos;
  }

  /**
   * Reads a whole number of at most 15 digits into `digitsValue`. Returns the position after it, or -1 when there is
   * anything else, which is then left to `readNumber`: a fraction, an exponent, more digits, minus zero, a mistake.
   */
  protected readWhole(pos: number): number {
    const bytes = this.bytes;
    const negative = bytes[pos] === MINUS;
    const first = negative ? pos + 1 : pos;
    const next = this.readDigits(first, 0);
    const value = this.digitsValue;
    const isClean = bytes[first] === ZERO ? next === first + 1 && !negative : next > first;
    if (!isClean || value >= FIFTEEN_DIGITS || !isWholeEnd(bytes[next])) return -1;
    if (negative) this.digitsValue = -value;
    return next;
  }

  /** The double that the digits [start, end), with or without a dot, mean if it surely is exact; else NaN. */
  #shortestDouble(start: number, end: number, decimals: number): number {
    const bytes = this.bytes;
    // The last eight digits apart from the others; few numbers have their dot among them.
    const split = end - 8;
    let high = 0, low = 0, lowDigits = 0;
    for (let i = start; i < split; i++) if (bytes[i] !== DOT) high = high * 10 + bytes[i] - 48;
    for (let i = split; i < end; i++) {
      if (bytes[i] === DOT) continue;
      low = low * 10 + bytes[i] - 48;
      lowDigits++;
    }
    return lowDigits === 8 ? shortestDouble(high, low, decimals) : NaN;
  }

  /** Reads a number by JSON's grammar and leaves what it is in the fields above. Returns the position after it. */
  protected readNumber(pos: number): number {
    const bytes = this.bytes;
    const first = pos;
    const negative = bytes[pos] === MINUS;
    if (negative) pos++;
    // The digits as a whole number, with or without a dot between them. Exact while below 2^53, which is checked below.
    const firstDigit = pos;
    pos = this.readDigits(pos, 0);
    const digits = pos - firstDigit;
    if (digits === 0) return this.fail(pos, "a digit");
    if (digits > 1 && bytes[firstDigit] === ZERO) return this.fail(firstDigit + 1, "a number without leading zeros");
    let scale = 0;
    const isWhole = bytes[pos] !== DOT && bytes[pos] !== LOWER_E && bytes[pos] !== UPPER_E;
    if (bytes[pos] === DOT) {
      const firstDecimal = pos + 1;
      pos = this.readDigits(firstDecimal, this.digitsValue);
      if (pos === firstDecimal) return this.fail(pos, "a digit");
      scale = firstDecimal - pos;
    }
    const mantissa = this.digitsValue;
    const mantissaEnd = pos;
    if (bytes[pos] === LOWER_E || bytes[pos] === UPPER_E) {
      const end = this.#readExponent(pos + 1);
      scale += this.numberValue;
      pos = end;
    }
    if (mantissa < FIFTEEN_DIGITS && scale >= -22 && scale <= 22) {
      const value = scale < 0 ? mantissa / POWERS_OF_TEN[-scale] : mantissa * POWERS_OF_TEN[scale];
      this.#setShort(negative ? -value : value, isWhole);
    } else if (isWhole) {
      if (digits > 19 || !this.#setLong(firstDigit, digits, negative)) this.#setOther(first, pos);
    } else {
      const isCommon = mantissa < 1e17 && scale >= -22 && scale <= 0;
      const value = isCommon ? this.#shortestDouble(firstDigit, mantissaEnd, -scale) : NaN;
      if (value === value) this.#setShort(negative ? -value : value, false);
      else this.#setOther(first, pos);
    }
    return pos;
  }

  #readExponent(pos: number): number {
    const bytes = this.bytes;
    const negative = bytes[pos] === MINUS;
    if (negative || bytes[pos] === PLUS) pos++;
    const firstDigit = pos;
    let exponent = 0;
    for (let digit = bytes[pos] - 48; digit >= 0 && digit <= 9; digit = bytes[++pos] - 48) {
      exponent = Math.min(exponent * 10 + digit, 1e9);
    }
    if (pos === firstDigit) return this.fail(pos, "a digit");
    this.numberValue = negative ? -exponent : exponent;
    return pos;
  }

  #setShort(value: number, isWhole: boolean): void {
    this.numberValue = value;
    if (!isWhole || Object.is(value, -0)) {
      this.numberKind = DOUBLE;
    } else if (value >= -INT32_RANGE && value < INT32_RANGE) {
      this.numberKind = INTEGER;
    } else {
      this.numberKind = BIGINT;
      this.low = value | 0;
      this.high = Math.floor(value / 4_294_967_296);
    }
  }

  /**
   * A whole number of 16 to 19 digits without BigInt: the digits in two parts, then two 32-bit words. False beyond 64
   * bits.
   */
  #setLong(firstDigit: number, digits: number, negative: boolean): boolean {
    const bytes = this.bytes;
    const split = firstDigit + digits - 8;
    const lower = this.#fourDigitsAt(split) * 10_000 + this.#fourDigitsAt(split + 4);
    let upper = 0, i = firstDigit;
    for (; i + 4 <= split; i += 4) upper = upper * 10_000 + this.#fourDigitsAt(i);
    for (; i < split; i++) upper = upper * 10 + bytes[i] - 48;
    // upper * 10^8 + lower, with upper split at 16 bits so that every product stays below 2^53.
    const upperHigh = Math.floor(upper / 65_536) * 1e8;
    const rest = (upperHigh % 65_536) * 65_536 + (upper % 65_536) * 1e8 + lower;
    let low = rest | 0;
    let high = Math.floor(upperHigh / 65_536) + Math.floor(rest / 4_294_967_296);
    if (high >= INT32_RANGE && !(negative && high === INT32_RANGE && low === 0)) return false;
    if (negative) {
      low = -low | 0;
      high = low === 0 ? -high : ~high;
    }
    this.numberKind = BIGINT;
    this.low = low;
    this.high = high;
    this.numberValue = high * 4_294_967_296 + (low >>> 0);
    return true;
  }

  /** Four bytes that are known to be digits. */
  #fourDigitsAt(pos: number): number {
    return fourDigits(this.view.getInt32(pos, true) ^ 0x30303030);
  }

  /**
   * Reads a whole number of 16 to 19 digits into the fields above. Returns the position after it, or -1 when there is
   * anything else.
   */
  protected readLong(pos: number): number {
    const bytes = this.bytes;
    const negative = bytes[pos] === MINUS;
    const first = negative ? pos + 1 : pos;
    const next = this.readDigits(first, 0);
    const digits = next - first;
    if (digits < 16 || digits > 19 || bytes[first] === ZERO || !isWholeEnd(bytes[next])) return -1;
    return this.#setLong(first, digits, negative) ? next : -1;
  }

  #setOther(start: number, end: number): void {
    const text = end - start <= MAX_COMPARED_LENGTH ? this.asciiText(start, end) : "";
    this.numberValue = Number(text);
    this.numberKind = text !== "" && isExactDouble(text, this.numberValue) ? DOUBLE : JSON_TEXT;
  }

  /** Bytes that are known to be ASCII, as a string. */
  protected asciiText(start: number, end: number): string {
    const bytes = this.bytes;
    let text = "";
    let i = start;
    // Eight at a time: three times as fast as one by one, and seven times as fast as TextDecoder, for a number.
    for (; i + 8 <= end; i += 8) {
      const [a, b, c, d] = [bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]];
      text += String.fromCharCode(a, b, c, d, bytes[i + 4], bytes[i + 5], bytes[i + 6], bytes[i + 7]);
    }
    for (; i < end; i++) text += String.fromCharCode(bytes[i]);
    return text;
  }
}

/** The number that four digits in a little-endian word are, each a byte of 0 to 9. */
function fourDigits(digits: number): number {
  const pairs = Math.imul(digits, 10) + (digits >>> 8);
  return (pairs & 0xff) * 100 + ((pairs >>> 16) & 0xff);
}

/** Whether no fraction and no exponent follow a number's digits. What else may follow is the caller's to check. */
export function isWholeEnd(byte: number): boolean {
  return byte !== DOT && byte !== LOWER_E && byte !== UPPER_E;
}
