import type { ByteAccount } from "../columnar/byte_account.ts";
import type { ColumnBuilder } from "../columnar/column_builder.ts";

/** What else a field means besides its column; flags. */
export const ROLE_TIME = 1, ROLE_USER = 2;
/** A field that, at the top of a record, may mean another layout than PLAIN. */
export const ROLE_ENVELOPE = 4;

const MIN_SLOTS = 32;
/** Estimate of what a spelling costs besides its bytes. */
const FIELD_OVERHEAD_BYTES = 256;

/**
 * One spelling of a field's name, as it stands in records: bytes with both quotes, escapes included. Several spellings
 * may mean one column.
 */
export class Field {
  /** Bytes, with the quotes. */
  readonly length: number;
  /** The bytes as little-endian words, the last one filled up with zeros. */
  readonly words: Int32Array;
  /** The bits of the last word that count. */
  readonly lastMask: number;
  /** Null for a field that makes no column. */
  readonly column: ColumnBuilder | null;
  readonly role: number;
  /** The field that came after this one in the last record that had both. */
  next: Field | null = null;

  constructor(quoted: Uint8Array, column: ColumnBuilder | null, role: number) {
    this.length = quoted.length;
    const padded = new Uint8Array(Math.max(4, (quoted.length + 3) & ~3));
    padded.set(quoted);
    const view = new DataView(padded.buffer);
    this.words = Int32Array.from({ length: padded.length / 4 }, (_, i) => view.getInt32(4 * i, true));
    const rest = quoted.length & 3;
    this.lastMask = rest === 0 ? -1 : (1 << (8 * rest)) - 1;
    this.column = column;
    this.role = role;
  }

  /** Whether this spelling stands at `pos`. A few bytes behind it are looked at; they must be at or before `end`. */
  matches(view: DataView, pos: number, end: number): boolean {
    const words = this.words;
    const last = words.length - 1;
    if (pos + 4 * last + 4 > end) return false;
    for (let i = 0; i < last; i++) {
      if (view.getInt32(pos + 4 * i, true) !== words[i]) return false;
    }
    return ((view.getInt32(pos + 4 * last, true) ^ words[last]) & this.lastMask) === 0;
  }
}

/** Hash of bytes[start, end), a word at a time. */
export function hashBytes(bytes: Uint8Array, view: DataView, start: number, end: number): number {
  let hash = end - start;
  let i = start;
  for (; i + 4 <= end; i += 4) hash = Math.imul(hash ^ view.getInt32(i, true), 0x9e3779b1) ^ (hash >>> 15);
  for (; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash ^ (hash >>> 16);
}

/** The known spellings of one table's fields, found by their bytes. Open addressing, at most half full. */
export class FieldMap {
  /** Before a record's first field. */
  readonly first: Field = new Field(new Uint8Array(0), null, 0);
  size = 0;
  readonly #account: ByteAccount;
  #byteLength = 0;
  #slots: (Field | null)[] = new Array(MIN_SLOTS).fill(null);
  #hashes: Int32Array = new Int32Array(MIN_SLOTS);

  constructor(account: ByteAccount) {
    this.#account = account;
  }

  /** The field whose spelling is bytes[start, end), quotes included; null when it isn't known. */
  find(bytes: Uint8Array, view: DataView, start: number, end: number): Field | null {
    const hash = hashBytes(bytes, view, start, end);
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask;; slot = (slot + 1) & mask) {
      const field = this.#slots[slot];
      if (field === null) return null;
      if (this.#hashes[slot] === hash && isSpelling(field, bytes, start, end)) return field;
    }
  }

  /** Adds a spelling that isn't known yet. */
  add(bytes: Uint8Array, view: DataView, [start, end]: readonly [number, number], field: Field): void {
    if (2 * (this.size + 1) > this.#slots.length) this.#grow();
    this.#put(field, hashBytes(bytes, view, start, end));
    this.size++;
    this.#byteLength += FIELD_OVERHEAD_BYTES + field.length;
    this.#account.byteLength += FIELD_OVERHEAD_BYTES + field.length;
  }

  clear(): void {
    this.first.next = null;
    this.size = 0;
    this.#account.byteLength -= this.#byteLength;
    this.#byteLength = 0;
    this.#slots = new Array(MIN_SLOTS).fill(null);
    this.#hashes = new Int32Array(MIN_SLOTS);
  }

  #put(field: Field, hash: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== null) slot = (slot + 1) & mask;
    this.#slots[slot] = field;
    this.#hashes[slot] = hash;
  }

  #grow(): void {
    const slots = this.#slots, hashes = this.#hashes;
    this.#slots = new Array(2 * slots.length).fill(null);
    this.#hashes = new Int32Array(2 * slots.length);
    slots.forEach((field, i) => {
      if (field !== null) this.#put(field, hashes[i]);
    });
  }
}

function isSpelling(field: Field, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== field.length) return false;
  for (let i = 0; i < field.length; i++) {
    if (bytes[start + i] !== ((field.words[i >> 2] >>> (8 * (i & 3))) & 0xff)) return false;
  }
  return true;
}
