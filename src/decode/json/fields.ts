import type { ByteAccount } from "../../columnar/byte_account.ts";
import type { ColumnBuilder } from "../../columnar/column_builder.ts";
import { type ByteStrings, hashBytes } from "../byte_strings.ts";

/** What else a field means besides its column; flags. */
export const ROLE_TIME = 1, ROLE_USER = 2;
/** Fields that, at the top of a record, may mean another layout than PLAIN. */
export const ROLE_PROJECT = 4, ROLE_COLLECTION = 8, ROLE_PROPERTIES = 16, ROLE_DATA = 32;

const MIN_SLOTS = 8;
const NOTHING = new DataView(new ArrayBuffer(0));
const COLON = 0x3a;
/** Estimate of what a field costs besides the bytes of its spelling. */
const FIELD_OVERHEAD_BYTES = 128;

/**
 * One spelling of a field's name, as it stands in records: bytes with both quotes, escapes included. Several spellings
 * may mean one column. The bytes themselves are kept once for all tables.
 */
export class Field {
  /** Number of the spelling among `spellings`. */
  readonly id: number;
  /** Bytes of the name with its quotes and a colon. */
  readonly length: number;
  /** Null for a field that makes no column. */
  readonly column: ColumnBuilder | null;
  readonly role: number;
  /** The field that came after this one in the last record that had both. */
  next: Field | null = null;
  readonly #spellings: ByteStrings;
  readonly #start: number;
  /** Of those bytes, as little-endian words, the first and the last, which may overlap it. */
  readonly #first: number;
  readonly #last: number;

  constructor(spellings: ByteStrings, id: number, column: ColumnBuilder | null, role: number) {
    this.#spellings = spellings;
    this.id = id;
    this.column = column;
    this.role = role;
    this.#start = spellings.startOf(id);
    this.length = spellings.lengthOf(id) + 1;
    const { bytes } = spellings;
    const byte = (i: number) => i < this.length - 1 ? bytes[this.#start + i] : i === this.length - 1 ? COLON : 0;
    const word = (i: number) => byte(i) | (byte(i + 1) << 8) | (byte(i + 2) << 16) | (byte(i + 3) << 24);
    this.#first = word(0);
    this.#last = word(Math.max(4, this.length) - 4);
  }

  /**
   * Whether this spelling and a colon stand at `pos`, at the latest right before `end`. It may say no for the empty name,
   * and does for a colon after white space: then the name is looked up.
   */
  matches(view: DataView, pos: number, end: number): boolean {
    const length = this.length;
    if (pos + length > end || length < 4) return false;
    if (view.getInt32(pos, true) !== this.#first || view.getInt32(pos + length - 4, true) !== this.#last) return false;
    if (length <= 8) return true;
    const own = this.#spellings.view, start = this.#start;
    for (let i = 4; i < length - 4; i += 4) {
      if (view.getInt32(pos + i, true) !== own.getInt32(start + i, true)) return false;
    }
    return true;
  }
}

/** The known fields of one table, found by the number of their spelling. Open addressing, at most half full. */
export class FieldMap {
  /** Whether names are taken in lower case. */
  readonly isLower: boolean;
  /** Before a record's first field. */
  readonly first: Field;
  size = 0;
  readonly #spellings: ByteStrings;
  readonly #account: ByteAccount;
  #slots: (Field | null)[] = [];

  constructor(spellings: ByteStrings, account: ByteAccount, isLower: boolean) {
    this.#spellings = spellings;
    this.#account = account;
    this.isLower = isLower;
    this.first = new Field(spellings, spellings.intern(NOTHING, 0, 0), null, 0);
  }

  /** The field whose spelling is view[start, end), quotes included; null when it isn't known. */
  find(view: DataView, start: number, end: number): Field | null {
    const id = this.#spellings.find(view, start, end, hashBytes(view, start, end));
    const slots = this.#slots, mask = slots.length - 1;
    if (id < 0 || mask < 0) return null;
    for (let slot = id & mask;; slot = (slot + 1) & mask) {
      const field = slots[slot];
      if (field === null || field.id === id) return field;
    }
  }

  /** Adds the spelling view[start, end), which isn't known yet. */
  add(
    view: DataView,
    [start, end]: readonly [number, number],
    { column, role }: { readonly column: ColumnBuilder | null; readonly role: number },
  ): Field {
    const field = new Field(this.#spellings, this.#spellings.intern(view, start, end), column, role);
    if (2 * (this.size + 1) > this.#slots.length) this.#grow();
    this.#put(field);
    this.size++;
    this.#account.byteLength += FIELD_OVERHEAD_BYTES;
    return field;
  }

  clear(): void {
    this.first.next = null;
    this.#account.byteLength -= FIELD_OVERHEAD_BYTES * this.size + 8 * this.#slots.length;
    this.size = 0;
    this.#slots = [];
  }

  #put(field: Field): void {
    const mask = this.#slots.length - 1;
    let slot = field.id & mask;
    while (this.#slots[slot] !== null) slot = (slot + 1) & mask;
    this.#slots[slot] = field;
  }

  #grow(): void {
    const slots = this.#slots;
    const count = Math.max(MIN_SLOTS, 2 * slots.length);
    this.#account.byteLength += 8 * (count - slots.length);
    this.#slots = new Array(count).fill(null);
    for (const field of slots) if (field !== null) this.#put(field);
  }
}
