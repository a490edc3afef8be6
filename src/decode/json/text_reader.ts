import type { VarcharValues } from "../../columnar/varchar_values.ts";
import { BACKSLASH, LOWER_U, QUOTE, UNESCAPED } from "../bytes.ts";
import { specialBytes } from "../../columnar/special_bytes.ts";
import { JsonSkipper } from "./skipper.ts";

/** Bytes that may be written behind a string, since whole words are copied. */
const WORD_SLACK = 4;

/** Copies JSON strings, checked and unescaped, into text columns. */
export class JsonTextReader extends JsonSkipper {
  /** Where the last copy ended in the column's bytes. */
  protected copyEnd = 0;

  /**
   * Copies the string whose first byte (after the quote) is at `pos` to `out` in the column's bytes, and leaves its end in
   * `copyEnd`. Returns the position after the closing quote, or -1 when an escape is half of a surrogate pair: no UTF-8
   * can hold that.
   *
   * One loop does all of it: a word is loaded, tested for anything special, and stored, so that plain text costs one
   * pass. What is written beyond the string's end is overwritten by the next one.
   */
  protected copyString(pos: number, values: VarcharValues, out: number): number {
    const { view, end } = this;
    // With room for the rest of the record there is room for the string; else it is measured.
    if (out + end - pos + WORD_SLACK > values.viewLength) {
      const next = this.skipString(pos), longest = out + next - pos - 1;
      if (!this.sawEscape && values.reserveSmall(longest)) return this.#copySmall(pos, next, values.bytes, out);
      values.reserveBytes(longest + WORD_SLACK, out);
    }
    const target = values.view;
    const lastWord = end - 4;
    while (pos <= lastWord) {
      const word = view.getInt32(pos, true);
      const special = specialBytes(word);
      target.setInt32(out, word, true);
      if (special === 0) {
        pos += 4;
        out += 4;
        continue;
      }
      const plainBytes = (31 - Math.clz32(special & -special)) >> 3;
      pos += plainBytes;
      out += plainBytes;
      if (((word >>> (plainBytes << 3)) & 0xff) === QUOTE) {
        this.copyEnd = out;
        return pos + 1;
      }
      pos = this.#copySpecial(pos, values, out);
      if (pos < 0) return -1;
      out = this.copyEnd;
    }
    return this.#copyTail(pos, values, out);
  }

  /** A string that was checked and has no escapes, to the quote before `next`. */
  #copySmall(pos: number, next: number, target: Uint8Array, out: number): number {
    const { bytes } = this;
    while (pos < next - 1) target[out++] = bytes[pos++];
    this.copyEnd = out;
    return next;
  }

  /** The last bytes of a record, too few for whole words. */
  #copyTail(pos: number, values: VarcharValues, out: number): number {
    for (;;) {
      if (pos >= this.end) return this.fail(this.end, "the end of a string");
      const c = this.bytes[pos];
      if (c === QUOTE) {
        this.copyEnd = out;
        return pos + 1;
      }
      if (c >= 0x20 && c < 0x80 && c !== BACKSLASH) {
        values.bytes[out++] = c;
        pos++;
      } else {
        pos = this.#copySpecial(pos, values, out);
        if (pos < 0) return -1;
        out = this.copyEnd;
      }
    }
  }

  /** One escape sequence, or a run of characters beyond ASCII. */
  #copySpecial(pos: number, values: VarcharValues, out: number): number {
    const bytes = this.bytes, target = values.bytes;
    if (bytes[pos] < 0x20) return this.fail(pos, "a string without raw control characters");
    if (bytes[pos] === BACKSLASH) return this.#copyEscape(pos, values, out);
    while (pos < this.end && bytes[pos] >= 0x80) {
      const next = this.skipUtf8(pos);
      while (pos < next) target[out++] = bytes[pos++];
    }
    this.copyEnd = out;
    return pos;
  }

  #copyEscape(pos: number, values: VarcharValues, out: number): number {
    const next = this.skipEscape(pos);
    const c = this.bytes[pos + 1];
    let code = c === LOWER_U ? this.hex4(pos + 2) : UNESCAPED[c];
    if (code < 0x20 || code === QUOTE || code === BACKSLASH) values.plain = false;
    if (code < 0xd800 || code > 0xdfff) {
      this.copyEnd = writeUtf8(values.bytes, out, code);
      return next;
    }
    const isPair = code < 0xdc00 && this.bytes[next] === BACKSLASH && this.bytes[next + 1] === LOWER_U;
    const low = isPair ? this.hex4(next + 2) : 0;
    if (low < 0xdc00 || low > 0xdfff) return -1;
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    this.copyEnd = writeUtf8(values.bytes, out, code);
    return next + 6;
  }
}

/** Writes a Unicode scalar value as UTF-8 and returns the position after it. */
function writeUtf8(target: Uint8Array, at: number, code: number): number {
  if (code < 0x80) {
    target[at] = code;
    return at + 1;
  }
  if (code < 0x800) {
    target[at] = 0xc0 | (code >> 6);
    target[at + 1] = 0x80 | (code & 63);
    return at + 2;
  }
  if (code < 0x10000) {
    target[at] = 0xe0 | (code >> 12);
    target[at + 1] = 0x80 | ((code >> 6) & 63);
    target[at + 2] = 0x80 | (code & 63);
    return at + 3;
  }
  target[at] = 0xf0 | (code >> 18);
  target[at + 1] = 0x80 | ((code >> 12) & 63);
  target[at + 2] = 0x80 | ((code >> 6) & 63);
  target[at + 3] = 0x80 | (code & 63);
  return at + 4;
}
