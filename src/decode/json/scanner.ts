import { specialBytes } from "../../columnar/special_bytes.ts";
import {
  BACKSLASH,
  CARRIAGE_RETURN,
  COLON,
  DOT,
  hexDigit,
  LINE_FEED,
  LOWER_E,
  LOWER_F,
  LOWER_N,
  LOWER_T,
  LOWER_U,
  MINUS,
  PLUS,
  QUOTE,
  SPACE,
  TAB,
  UNESCAPED,
  UPPER_E,
  WORD_FALS,
  WORD_NULL,
  WORD_TRUE,
  ZERO,
} from "../bytes.ts";
import { Rejection, type RejectionCode } from "../../records/rejection.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const LITERALS: readonly (readonly [number, string])[] = [[LOWER_T, "true"], [LOWER_F, "false"], [LOWER_N, "null"]];

/**
 * Walks over JSON text as bytes and checks it against RFC 8259 and UTF-8 (RFC 3629), without making values.
 *
 * It is the first of a chain of classes, each of which does a little more with the same bytes: JsonScanner, JsonSkipper
 * (whole values), JsonTextReader, JsonNumberReader, JsonNumberWriter, JsonRareValueWriter, JsonColumnWriter (values into
 * columns), JsonRowDecoder (fields), JsonEnvelopeReader, JsonDecoder (records). One object, so that the state they share is
 * where V8 finds it at once.
 *
 * Every method takes the position to start at and returns the position after what it read. Strings stop at `end`; the
 * rest reads single bytes without looking whether they are still the record's own, since an object that ends at or before
 * `end` was read from its own bytes only. Whoever starts a scan checks at last that the position is at most `end`, and
 * `fail` turns any error beyond it into "the record ends too early".
 */
export class JsonScanner {
  /** The batch's bytes; the record at hand is [start, end). */
  protected bytes: Uint8Array = new Uint8Array(0);
  protected view: DataView = new DataView(this.bytes.buffer);
  protected start = 0;
  protected end = 0;
  /** The last position in `bytes` at which a 32-bit word can be loaded. */
  protected lastWord = -4;
  /** Whether skipString met a backslash. */
  protected sawEscape = false;
  readonly #rejection = new Rejection();

  /** Says which bytes positions are in. `start` and `end` are the caller's to set, for every record. */
  protected setBytes(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.lastWord = bytes.length - 4;
  }

  /** Rejects the record: `expected` was not found at `pos`. */
  protected fail(pos: number, expected: string, code: RejectionCode = "malformed-json"): never {
    const rejection = this.#rejection;
    if (pos >= this.end && code !== "bad-name") {
      rejection.code = "malformed-json";
      rejection.reason = `the record ends at byte ${this.end - this.start}, where ${expected} was expected`;
    } else {
      rejection.code = code;
      rejection.reason = `expected ${expected} at byte ${pos - this.start}`;
    }
    throw rejection;
  }

  /** Rejects the record by a limit or rule that isn't about a single byte. */
  protected reject(code: RejectionCode, reason: string): never {
    this.#rejection.code = code;
    this.#rejection.reason = reason;
    throw this.#rejection;
  }

  /** Checked bytes as a string. Not for the hot path. */
  protected utf8Text(start: number, end: number): string {
    return decoder.decode(this.bytes.subarray(start, end));
  }

  protected skipSpace(pos: number): number {
    for (;; pos++) {
      const c = this.bytes[pos];
      if (c !== SPACE && c !== LINE_FEED && c !== CARRIAGE_RETURN && c !== TAB) return pos;
    }
  }

  /** From after the opening quote to after the closing one. */
  protected skipString(pos: number): number {
    const { bytes, view, end } = this;
    const lastWord = end - 4;
    this.sawEscape = false;
    for (;;) {
      while (pos <= lastWord) {
        const special = specialBytes(view.getInt32(pos, true));
        if (special !== 0) {
          pos += (31 - Math.clz32(special & -special)) >> 3;
          break;
        }
        pos += 4;
      }
      if (pos >= end) return this.fail(end, "the end of a string");
      const c = bytes[pos];
      if (c === QUOTE) return pos + 1;
      if (c === BACKSLASH) pos = this.skipEscape(pos);
      else if (c >= 0x80) pos = this.skipUtf8(pos);
      else if (c < 0x20) return this.fail(pos, "a string without raw control characters");
      else pos++;
    }
  }

  /** Checks an escape sequence; `pos` is its backslash. */
  protected skipEscape(pos: number): number {
    this.sawEscape = true;
    const c = this.bytes[pos + 1];
    if (c === LOWER_U) {
      this.hex4(pos + 2);
      return pos + 6;
    }
    if (pos + 1 >= this.end || UNESCAPED[c] === 0) return this.fail(pos + 1, "an escape character");
    return pos + 2;
  }

  /** The value of four hexadecimal digits. */
  protected hex4(pos: number): number {
    const bytes = this.bytes;
    let value = 0;
    for (let i = pos; i < pos + 4; i++) {
      const digit = i < this.end ? hexDigit(bytes[i]) : -1;
      if (digit < 0) return this.fail(i, "a hexadecimal digit");
      value = value * 16 + digit;
    }
    return value;
  }

  /** Checks one character of two to four bytes: no overlong form, no surrogate, nothing beyond U+10FFFF. */
  protected skipUtf8(pos: number): number {
    const bytes = this.bytes;
    const c = bytes[pos];
    let low = 0x80, high = 0xbf, rest: number;
    if (c >= 0xc2 && c <= 0xdf) {
      rest = 1;
    } else if (c >= 0xe0 && c <= 0xef) {
      rest = 2;
      if (c === 0xe0) low = 0xa0;
      else if (c === 0xed) high = 0x9f;
    } else if (c >= 0xf0 && c <= 0xf4) {
      rest = 3;
      if (c === 0xf0) low = 0x90;
      else if (c === 0xf4) high = 0x8f;
    } else {
      return this.fail(pos, "UTF-8", "invalid-utf8");
    }
    for (let i = pos + 1; i <= pos + rest; i++) {
      const next = bytes[i];
      if (i >= this.end || !(next >= low && next <= high)) return this.fail(i, "UTF-8", "invalid-utf8");
      low = 0x80;
      high = 0xbf;
    }
    return pos + rest + 1;
  }

  /** A number by JSON's grammar: no leading zeros, digits on both sides of the dot. */
  protected skipNumber(pos: number): number {
    const bytes = this.bytes;
    if (bytes[pos] === MINUS) pos++;
    if (bytes[pos] === ZERO) pos++;
    else pos = this.#skipDigits(pos);
    if (bytes[pos] === DOT) pos = this.#skipDigits(pos + 1);
    if (bytes[pos] === LOWER_E || bytes[pos] === UPPER_E) {
      pos++;
      if (bytes[pos] === PLUS || bytes[pos] === MINUS) pos++;
      pos = this.#skipDigits(pos);
    }
    return pos;
  }

  #skipDigits(pos: number): number {
    const bytes = this.bytes;
    const first = pos;
    while (bytes[pos] >= 0x30 && bytes[pos] <= 0x39) pos++;
    return pos > first ? pos : this.fail(pos, "a digit");
  }

  /** true, false or null, whichever its first byte says. */
  protected skipLiteral(pos: number): number {
    if (pos + 5 <= this.end) {
      const word = this.view.getInt32(pos, true);
      if (word === WORD_TRUE || word === WORD_NULL) return pos + 4;
      if (word === WORD_FALS && this.bytes[pos + 4] === LOWER_E) return pos + 5;
    }
    const c = this.bytes[pos];
    for (const [first, literal] of LITERALS) {
      if (c !== first) continue;
      for (let i = 1; i < literal.length; i++) {
        if (this.bytes[pos + i] !== literal.charCodeAt(i)) return this.fail(pos + i, literal);
      }
      return pos + literal.length;
    }
    return this.fail(pos, "a value");
  }

  /** From the colon after a field's name to its value's first byte. */
  protected skipColon(pos: number): number {
    if (this.bytes[pos] === COLON && this.bytes[pos + 1] > SPACE) return pos + 1;
    pos = this.skipSpace(pos);
    if (this.bytes[pos] !== COLON) return this.fail(pos, "':' after a field name");
    return this.skipSpace(pos + 1);
  }
}
