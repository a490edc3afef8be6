import type { Block, BlockRows } from "./block.ts";
import { type ByteAccount, grownCapacity, MIN_CAPACITY, MIN_TEXT_CAPACITY, recycledCapacity } from "./byte_account.ts";
import { JSON_TEXT, VARCHAR } from "./kinds.ts";
import { InvariantError } from "../runtime/errors.ts";
import type { Values } from "./values.ts";

/** Offsets are 32-bit. A buffer asks to be sealed long before. */
const MAX_TEXT_CAPACITY = 2 ** 32 - 1;
/** Copying shorter ones byte by byte is faster than a call of `set` with a new view. */
const SHORT_COPY = 24;

/** UTF-8 texts or JSON texts, one after the other: value i is `bytes[offsets[i], offsets[i + 1])`. */
export class VarcharValues implements Values {
  readonly kind: typeof VARCHAR | typeof JSON_TEXT;
  bytes: Uint8Array = new Uint8Array(0);
  /** The same bytes, for writing whole words. */
  view: DataView = new DataView(this.bytes.buffer);
  /** Length capacity + 1. */
  offsets: Uint32Array = new Uint32Array(1);
  capacity = 0;
  /** No value holds a quote, a backslash or a control character. */
  plain = true;
  readonly #account: ByteAccount;

  constructor(account: ByteAccount, kind: typeof VARCHAR | typeof JSON_TEXT) {
    this.#account = account;
    this.kind = kind;
    account.byteLength += this.offsets.byteLength;
  }

  reserve(count: number): void {
    if (count <= this.capacity) return;
    const old = this.offsets;
    this.#replaceOffsets(grownCapacity(this.capacity, count));
    this.offsets.set(old);
  }

  /** Makes room for `length` bytes in all; the first `used` ones are kept. */
  reserveBytes(length: number, used: number): void {
    if (length <= this.bytes.length) return;
    if (length > MAX_TEXT_CAPACITY) throw new InvariantError(`a text column of one page would need ${length} bytes`);
    const old = this.bytes;
    this.#replaceBytes(Math.min(Math.max(length, 2 * old.length, MIN_TEXT_CAPACITY), MAX_TEXT_CAPACITY));
    this.bytes.set(old.subarray(0, used));
  }

  /** Writes value `index`, the next one, as source[start, end): valid UTF-8, plain or not. Makes room itself. */
  set(index: number, source: Uint8Array, start: number, end: number): void {
    this.reserve(index + 1);
    const at = this.offsets[index], length = end - start;
    this.reserveBytes(at + length, at);
    const bytes = this.bytes;
    if (length < SHORT_COPY) {
      for (let i = 0; i < length; i++) bytes[at + i] = source[start + i];
    } else {
      bytes.set(source.subarray(start, end), at);
    }
    this.offsets[index + 1] = at + length;
  }

  truncate(_count: number): void {}

  block(rows: BlockRows): Block {
    const type = this.kind === VARCHAR ? "VARCHAR" : "JSON";
    return { type, ...rows, bytes: this.bytes, offsets: this.offsets, plain: this.plain && type === "VARCHAR" };
  }

  recycle(count: number): void {
    const textCapacity = recycledCapacity(this.bytes.length, this.offsets[count], MIN_TEXT_CAPACITY);
    if (textCapacity < this.bytes.length) this.#replaceBytes(textCapacity);
    const capacity = recycledCapacity(this.capacity, count, MIN_CAPACITY);
    if (capacity < this.capacity) this.#replaceOffsets(capacity);
    this.plain = true;
  }

  release(): void {
    this.#replaceBytes(0);
    this.#account.byteLength -= this.offsets.byteLength;
    this.offsets = new Uint32Array(0);
    this.capacity = 0;
  }

  #replaceBytes(length: number): void {
    this.#account.byteLength += length - this.bytes.length;
    this.bytes = new Uint8Array(length);
    this.view = new DataView(this.bytes.buffer);
  }

  #replaceOffsets(capacity: number): void {
    this.#account.byteLength -= this.offsets.byteLength;
    this.offsets = new Uint32Array(capacity + 1);
    this.capacity = capacity;
    this.#account.byteLength += this.offsets.byteLength;
  }
}
