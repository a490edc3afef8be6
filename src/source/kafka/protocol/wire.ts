/**
 * Kafka's primitive types, as the versions before "flexible" (KIP-482) write them: big endian, INT16-prefixed strings,
 * INT32-prefixed byte strings and arrays, -1 for null.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Grows as it is written to. */
export class WireWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

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
    if (value === null) return this.int16(-1);
    const text = encoder.encode(value);
    return this.int16(text.length).raw(text);
  }

  /** BYTES; null is written as length -1. */
  byteString(value: Uint8Array | null): this {
    return value === null ? this.int32(-1) : this.int32(value.length).raw(value);
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length);
    for (const item of items) write(item);
    return this;
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
    const length = this.int16();
    return length < 0 ? null : decoder.decode(this.raw(length));
  }

  string(): string {
    return this.nullableString() ?? "";
  }

  /** BYTES or RECORDS, sharing memory with the response; empty for null. */
  byteString(): Uint8Array {
    const length = this.int32();
    return length < 0 ? this.raw(0) : this.raw(length);
  }

  /** Null arrays come out empty. */
  array<T>(read: () => T): T[] {
    const length = this.int32();
    // Every element has at least one byte: a longer array is a broken length, which must not allocate.
    if (length > this.remaining) throw new RangeError(`Array of ${length} in ${this.remaining} bytes`);
    const items: T[] = [];
    for (let i = 0; i < length; i++) items.push(read());
    return items;
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
