/**
 * Kafka's primitive types: big endian, INT16-prefixed strings, INT32-prefixed byte strings and arrays, -1 for null. In
 * flexible versions (KIP-482) lengths are unsigned varints, one more than the length, 0 for null, and tagged fields end
 * each structure.
 */

import { toHex } from "../../../runtime/hex.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Grows as it is written to. */
export class WireWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;
  /** Whether what is written from here on is of a flexible version. */
  flexible = false;

  constructor(initialByteLength = 256) {
    this.#bytes = new Uint8Array(initialByteLength);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** What was written so far; shares its memory until the next write. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  int8(value: number): this {
    const at = this.#reserve(1); // may replace the view
    this.#view.setInt8(at, value);
    return this;
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }

  int16(value: number): this {
    const at = this.#reserve(2); // may replace the view
    this.#view.setInt16(at, value);
    return this;
  }

  int32(value: number): this {
    const at = this.#reserve(4); // may replace the view
    this.#view.setInt32(at, value);
    return this;
  }

  int64(value: bigint): this {
    const at = this.#reserve(8); // may replace the view
    this.#view.setBigInt64(at, value);
    return this;
  }

  string(value: string | null): this {
    if (value === null) return this.flexible ? this.uvarint(0) : this.int16(-1);
    const text = encoder.encode(value);
    return (this.flexible ? this.uvarint(text.length + 1) : this.int16(text.length)).raw(text);
  }

  /** BYTES; null is written as length -1. */
  byteString(value: Uint8Array | null): this {
    this.#length32(value?.length ?? -1);
    return value === null ? this : this.raw(value);
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.#length32(items.length);
    for (const item of items) write(item);
    return this;
  }

  nullArray(): this {
    return this.#length32(-1);
  }

  /** The end of a structure: no tagged fields. Nothing in versions that have none. */
  tags(): this {
    return this.flexible ? this.int8(0) : this;
  }

  /** UUID, as the reader has it; null for none. */
  uuid(id: string | null): this {
    return this.raw(id === null ? new Uint8Array(16) : fromHex(id));
  }

  uvarint(value: number): this {
    for (; value > 127; value >>>= 7) this.int8((value & 127) | 128);
    return this.int8(value);
  }

  #length32(length: number): this {
    return this.flexible ? this.uvarint(length + 1) : this.int32(length);
  }

  raw(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  #reserve(byteLength: number): number {
    const at = this.#length;
    this.#length += byteLength;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

/** Reads a response. @throws RangeError when it ends too early. */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  /** Whether what is read from here on is of a flexible version. */
  flexible = false;

  constructor({ buffer, byteOffset, byteLength }: Uint8Array) {
    this.#bytes = new Uint8Array(buffer, byteOffset, byteLength); // of a Buffer, slice() would be no copy
    this.#view = new DataView(buffer, byteOffset, byteLength);
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  int8(): number {
    return this.#view.getInt8(this.#take(1));
  }

  boolean(): boolean {
    return this.int8() !== 0;
  }

  int16(): number {
    return this.#view.getInt16(this.#take(2));
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4));
  }

  int64(): bigint {
    return this.#view.getBigInt64(this.#take(8));
  }

  nullableString(): string | null {
    const length = this.flexible ? this.uvarint() - 1 : this.int16();
    return length < 0 ? null : decoder.decode(this.raw(length));
  }

  string(): string {
    return this.nullableString() ?? "";
  }

  /** BYTES or RECORDS, sharing memory with the response; empty for null. */
  byteString(): Uint8Array {
    return this.raw(Math.max(0, this.#length32()));
  }

  /** Null arrays come out empty. */
  array<T>(read: () => T): T[] {
    const length = this.#length32();
    // Every element has at least one byte: a longer array is a broken length, which must not allocate.
    if (length > this.remaining) throw new RangeError(`Array of ${length} in ${this.remaining} bytes`);
    const items: T[] = [];
    for (let i = 0; i < length; i++) items.push(read());
    return items;
  }

  /** The end of a structure; `read` is called for each of its tagged fields, and need not read it. */
  tags(read?: (tag: number) => void): void {
    if (!this.flexible) return;
    for (let count = this.uvarint(); count > 0; count--) {
      const tag = this.uvarint(), byteLength = this.uvarint(), end = this.#at + byteLength;
      read?.(tag);
      this.raw(end - this.#at);
    }
  }

  /** 32 hexadecimal digits; null for the one that is all zeros: none. */
  uuid(): string | null {
    const id = toHex(this.raw(16));
    return /[^0]/.test(id) ? id : null;
  }

  uvarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.int8();
      value += (byte & 127) * 2 ** shift;
      if (byte >= 0) return value;
    }
    throw new RangeError("a varint is too long");
  }

  #length32(): number {
    return this.flexible ? this.uvarint() - 1 : this.int32();
  }

  raw(byteLength: number): Uint8Array {
    const at = this.#take(byteLength);
    return this.#bytes.subarray(at, at + byteLength);
  }

  #take(byteLength: number): number {
    const at = this.#at;
    if (byteLength < 0 || at + byteLength > this.#bytes.length) {
      throw new RangeError(`Response ends at byte ${this.#bytes.length}, expected ${byteLength} more at ${at}`);
    }
    this.#at = at + byteLength;
    return at;
  }
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
}
