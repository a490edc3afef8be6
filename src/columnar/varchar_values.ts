import type { Block, BlockRows } from "./block.ts";
import {
  type ByteAccount,
  grownCapacity,
  MIN_CAPACITY,
  recycledCapacity,
  SMALL_CAPACITY,
  VALUES_OVERHEAD_BYTES,
} from "./byte_account.ts";
import { JSON_TEXT, VARCHAR } from "./kinds.ts";
import { InvariantError } from "../runtime/errors.ts";
import type { Values } from "./values.ts";

/** Offsets are 32-bit. A buffer asks to be sealed long before. */
const MAX_TEXT_CAPACITY = 2 ** 32 - 1;
/**
 * So few bytes V8 keeps with the array itself. A view on them would move them into a buffer of their own, which takes ten
 * times the time and memory, and there may be a hundred thousand columns of a few rows each.
 */
const SMALL_TEXT_BYTES = 64;
const NO_OFFSETS = new Uint32Array(1);
const NO_BYTES = new Uint8Array(0), NO_VIEW = new DataView(NO_BYTES.buffer);
/** Copying shorter ones byte by byte is faster than a call of `set` with a new view. */
const SHORT_COPY = 24;

/** UTF-8 texts or JSON texts, one after the other: value i is `bytes[offsets[i], offsets[i + 1])`. */
export class VarcharValues implements Values {
  readonly kind: typeof VARCHAR | typeof JSON_TEXT;
  bytes: Uint8Array = NO_BYTES;
  /** The same bytes, for writing whole words, where there are more than SMALL_TEXT_BYTES. */
  view: DataView = NO_VIEW;
  /** How many bytes `view` has. */
  viewLength = 0;
  /** Length capacity + 1. */
  offsets: Uint32Array = NO_OFFSETS;
  capacity = 0;
  /** No value holds a quote, a backslash or a control character. */
  plain = true;
  readonly #account: ByteAccount;

  constructor(account: ByteAccount, kind: typeof VARCHAR | typeof JSON_TEXT) {
    this.#account = account;
    this.kind = kind;
    account.byteLength += this.offsets.byteLength + VALUES_OVERHEAD_BYTES;
  }

  get isSmall(): boolean {
    return this.capacity <= SMALL_CAPACITY && this.bytes.length <= 2 * SMALL_TEXT_BYTES;
  }

  reserve(count: number): void {
    if (count <= this.capacity) return;
    const old = this.offsets;
    this.#replaceOffsets(grownCapacity(this.capacity, count));
    this.offsets.set(old);
  }

  /** Makes room for `length` bytes in all, also in `view`; the first `used` ones are kept. */
  reserveBytes(length: number, used: number): void {
    if (length <= this.viewLength) return;
    if (length > MAX_TEXT_CAPACITY) throw new InvariantError(`a text column of one page would need ${length} bytes`);
    const old = this.bytes;
    this.#replaceBytes(Math.min(Math.max(length, 2 * old.length, 2 * SMALL_TEXT_BYTES), MAX_TEXT_CAPACITY));
    this.bytes.set(old.subarray(0, used));
  }

  /** Whether `length` bytes in all fit without a `view`; then there is room for them. */
  reserveSmall(length: number): boolean {
    if (length > SMALL_TEXT_BYTES || this.viewLength > 0) return false;
    if (this.bytes.length === 0) this.#replaceBytes(SMALL_TEXT_BYTES);
    return true;
  }

  /** Writes value `index`, the next one, as source[start, end): valid UTF-8, plain or not. Makes room itself. */
  set(index: number, source: Uint8Array, start: number, end: number): void {
    this.reserve(index + 1);
    const at = this.offsets[index], length = end - start;
    if (!this.reserveSmall(at + length)) this.reserveBytes(at + length, at);
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
    const textCapacity = recycledCapacity(this.bytes.length, this.offsets[count], SMALL_TEXT_BYTES);
    if (textCapacity < this.bytes.length) this.#replaceBytes(textCapacity);
    const capacity = recycledCapacity(this.capacity, count, MIN_CAPACITY);
    if (capacity < this.capacity) this.#replaceOffsets(capacity);
    this.plain = true;
  }

  release(): void {
    this.#replaceBytes(0);
    this.#account.byteLength -= this.offsets.byteLength + VALUES_OVERHEAD_BYTES;
    this.offsets = NO_OFFSETS;
    this.capacity = 0;
  }

  #replaceBytes(length: number): void {
    this.#account.byteLength += length - this.bytes.length;
    this.bytes = length === 0 ? NO_BYTES : new Uint8Array(length);
    this.viewLength = length > SMALL_TEXT_BYTES ? length : 0;
    this.view = this.viewLength === 0 ? NO_VIEW : new DataView(this.bytes.buffer);
  }

  #replaceOffsets(capacity: number): void {
    this.#account.byteLength -= this.offsets.byteLength;
    this.offsets = new Uint32Array(capacity + 1);
    this.capacity = capacity;
    this.#account.byteLength += this.offsets.byteLength;
  }
}
