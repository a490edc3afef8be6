import { specialBytes } from "../columnar/special_bytes.ts";
import { Rejection, type RejectionCode } from "../records/rejection.ts";

/** Records, arrays, maps and unions inside each other. */
export const MAX_AVRO_DEPTH = 500;
/** Items that take no bytes (nulls, empty records) in the arrays of one record. */
export const MAX_EMPTY_ITEMS = 65_536;

/**
 * Reads the parts that Avro's binary encoding is made of (Avro 1.12, "Binary Encoding") from `at` on, never beyond `end`.
 * Whatever else the bytes are is a Rejection.
 */
export class AvroReader {
  protected bytes: Uint8Array = new Uint8Array(0);
  protected view: DataView = new DataView(this.bytes.buffer);
  /** The record is [start, end); `at` is the next byte to read. */
  protected start = 0;
  protected at = 0;
  protected end = 0;
  /** The words of the 64-bit integer that `readWords` read, signed. */
  protected low = 0;
  protected high = 0;
  /** Whether the text that `checkText` saw last can stand in a JSON string as it is. */
  protected isPlain = true;
  protected depth = 0;
  protected emptyItems = 0;
  readonly #rejection = new Rejection();

  /** Where the records stand. */
  protected setBytes(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Begins with the record [start, end). */
  protected select(start: number, end: number): void {
    this.start = this.at = start;
    this.end = end;
    this.depth = 0;
    this.emptyItems = 0;
  }

  protected reject(code: RejectionCode, reason: string): never {
    this.#rejection.code = code;
    this.#rejection.reason = reason;
    throw this.#rejection;
  }

  /** Rejects the record: what stands at `at` isn't what the schema says. */
  protected fail(expected: string, at = this.at): never {
    const byte = at - this.start;
    if (at >= this.end) {
      return this.reject("malformed-avro", `the record ends at byte ${byte}, where ${expected} was expected`);
    }
    return this.reject("malformed-avro", `expected ${expected} at byte ${byte}`);
  }

  /** Goes one level down; whoever calls it takes it back with `depth--`. */
  protected enter(): void {
    if (++this.depth > MAX_AVRO_DEPTH) {
      this.reject(
        "too-deep",
        `values are nested more than ${MAX_AVRO_DEPTH} levels deep at byte ${this.at - this.start}`,
      );
    }
  }

  /** A 64-bit integer into `low` and `high`. */
  protected readWords(): void {
    const { bytes, end } = this;
    const start = this.at;
    let at = start, shift = 0, first = 0, second = 0, last = 0;
    for (;; shift += 7) {
      if (at >= end) return this.fail("the rest of a whole number", at);
      const byte = bytes[at++], bits = byte & 0x7f;
      if (shift < 28) first |= bits << shift;
      else if (shift < 56) second |= bits << (shift - 28);
      else last |= bits << (shift - 56);
      if (byte < 0x80) break;
      if (shift === 63) return this.fail("a whole number of at most 10 bytes", start);
    }
    if (last > 0xff) return this.fail("a whole number of 64 bits", start);
    const low = first | (second << 28), high = (second >>> 4) | (last << 24);
    const sign = -(low & 1);
    this.low = ((low >>> 1) | (high << 31)) ^ sign;
    this.high = (high >>> 1) ^ sign;
    this.at = at;
  }

  /** A whole number of 32 bits. */
  protected readInt(): number {
    const start = this.at;
    const byte = this.bytes[start];
    if (byte < 0x80 && start < this.end) {
      this.at = start + 1;
      return (byte >>> 1) ^ -(byte & 1);
    }
    this.readWords();
    if (this.high !== this.low >> 31) return this.fail("a whole number of 32 bits", start);
    return this.low;
  }

  /** The number that `readWords` read; rounded beyond 2^53. */
  protected wordsToNumber(): number {
    return this.high * 4_294_967_296 + (this.low >>> 0);
  }

  protected wordsToBigint(): bigint {
    return (BigInt(this.high) << 32n) | BigInt(this.low >>> 0);
  }

  /** The length of bytes that follow: no more than there are. */
  protected readLength(what: string): number {
    const start = this.at;
    const length = this.readInt();
    if (length < 0 || length > this.end - this.at) {
      return this.fail(`the length of ${what}, at most the ${this.end - this.at} bytes that are left`, start);
    }
    return length;
  }

  /** Moves over `length` bytes. Returns where they begin. */
  protected take(length: number, what: string): number {
    const at = this.at;
    if (length > this.end - at) return this.fail(`${length} bytes of ${what}`);
    this.at = at + length;
    return at;
  }

  /** The number of items in the next block of an array or map; 0 at its end. `minByteLength` is that of an item. */
  protected readBlockCount(minByteLength: number): number {
    const start = this.at;
    this.readWords();
    let count = this.wordsToNumber();
    if (count < 0) {
      count = -count;
      const byteLength = this.readLength("a block");
      if (minByteLength > 0 && count * minByteLength > byteLength) {
        return this.fail("a block as long as its items", start);
      }
    }
    if (minByteLength > 0) {
      if (count * minByteLength > this.end - this.at) {
        return this.fail("a count of items for which there are bytes", start);
      }
    } else if ((this.emptyItems += count) > MAX_EMPTY_ITEMS) {
      return this.reject("too-large", `its arrays have more than ${MAX_EMPTY_ITEMS} items that take no bytes`);
    }
    return count;
  }

  /** Rejects the record unless bytes[from, to) are UTF-8; sets `isPlain`. */
  protected checkText(from: number, to: number): void {
    const { bytes, view } = this;
    this.isPlain = true;
    let at = from;
    while (at < to) {
      if (at + 4 <= to && specialBytes(view.getInt32(at, true)) === 0) {
        at += 4;
        continue;
      }
      const byte = bytes[at];
      if (byte < 0x80) {
        if (byte < 0x20 || byte === 0x22 || byte === 0x5c) this.isPlain = false;
        at++;
      } else {
        at = this.#skipCharacter(at, to);
      }
    }
  }

  /** A character of two to four bytes: no overlong form, no surrogate, nothing beyond U+10FFFF (RFC 3629). */
  #skipCharacter(at: number, to: number): number {
    const bytes = this.bytes;
    const byte = bytes[at];
    const rest = byte >= 0xc2 && byte <= 0xdf ? 1 : (byte & 0xf0) === 0xe0 ? 2 : byte >= 0xf0 && byte <= 0xf4 ? 3 : 0;
    if (rest === 0 || at + rest >= to) return this.#failText(at);
    let low = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80;
    let high = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf;
    for (let i = at + 1; i <= at + rest; i++) {
      if (bytes[i] < low || bytes[i] > high) return this.#failText(i);
      low = 0x80;
      high = 0xbf;
    }
    return at + rest + 1;
  }

  #failText(at: number): never {
    return this.reject("invalid-utf8", `expected UTF-8 at byte ${at - this.start}`);
  }
}
