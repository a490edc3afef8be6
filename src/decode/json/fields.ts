import type { ByteAccount } from "../../columnar/byte_account.ts";
import type { ColumnBuilder } from "../../columnar/column_builder.ts";

const COLON = 0x3a;

/** What else a field means besides its column; flags. */
export const ROLE_TIME = 1, ROLE_USER = 2;
/** Fields that, at the top of a record, may mean another layout than PLAIN. */
export const ROLE_PROJECT = 4, ROLE_COLLECTION = 8, ROLE_PROPERTIES = 16, ROLE_DATA = 32;

const MIN_SLOTS = 32;
/** Estimate of what a spelling costs besides its bytes. */
const FIELD_OVERHEAD_BYTES = 256;

/**
 * One spelling of a field's name, as it stands in records: bytes with both quotes, escapes included. Several spellings
 * may mean one column.
 */
export class Field {
  /** The name with its quotes. */
  readonly quoted: Uint8Array;
  /** Bytes of the name with its quotes and a colon. */
  readonly length: number;
  /** Null for a field that makes no column. */
  readonly column: ColumnBuilder | null;
  readonly role: number;
  /** The field that came after this one in the last record that had both. */
  next: Field | null = null;
  /** Those bytes as little-endian words: the first, the last (which may overlap it), and what is between them. */
  readonly #first: number;
  readonly #last: number;
  readonly #middle: Int32Array;

  constructor(quoted: Uint8Array, column: ColumnBuilder | null, role: number) {
    this.quoted = quoted;
    this.length = quoted.length + 1;
    this.column = column;
    this.role = role;
    const padded = new Uint8Array(Math.max(4, this.length));
    padded.set(quoted);
    padded[quoted.length] = COLON;
    const view = new DataView(padded.buffer);
    this.#first = view.getInt32(0, true);
    this.#last = view.getInt32(padded.length - 4, true);
    const middleCount = Math.max(0, Math.ceil((this.length - 8) / 4));
    this.#middle = Int32Array.from({ length: middleCount }, (_, i) => view.getInt32(4 * i + 4, true));
  }

  /**
   * Whether this spelling and a colon stand at `pos`, at the latest right before `end`. It may say no for the empty name,
   * and does for a colon after white space: then the name is looked up.
   */
  matches(view: DataView, pos: number, end: number): boolean {
    const length = this.length;
    if (pos + length > end || length < 4) return false;
    if (view.getInt32(pos, true) !== this.#first || view.getInt32(pos + length - 4, true) !== this.#last) return false;
    const middle = this.#middle;
    for (let i = 0; i < middle.length; i++) {
      if (view.getInt32(pos + 4 * i + 4, true) !== middle[i]) return false;
    }
    return true;
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

function isSpelling({ quoted }: Field, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== quoted.length) return false;
  for (let i = 0; i < quoted.length; i++) if (bytes[start + i] !== quoted[i]) return false;
  return true;
}
