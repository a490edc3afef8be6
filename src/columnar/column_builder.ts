import { type Block, type BlockRows, valueIndex, valuesBefore } from "./block.ts";
import {
  type ByteAccount,
  COLUMN_OVERHEAD_BYTES,
  grownCapacity,
  MIN_CAPACITY,
  recycledCapacity,
} from "./byte_account.ts";
import { TimestampValues } from "./fixed_values.ts";
import { ARRAY, columnTypeOf, type Kind, MAP, UNTYPED } from "./kinds.ts";
import { newScalarValues } from "./new_values.ts";
import type { ColumnType, TimestampForm } from "./types.ts";
import type { Values } from "./values.ts";

const NO_BYTES = new Uint8Array(0), NO_ROWS = new Uint32Array(0);
/** Offsets of no text at all. */
const NO_TEXTS = new Uint32Array(1);

/** Storage of arrays or maps. */
export interface NestedStorage extends Values {
  readonly elements: ColumnBuilder;
}

export interface ColumnSettings {
  /** Whether text that looks like a date makes a DATE or TIMESTAMP column. Default true. */
  readonly detectTimes?: boolean;
  /** The kind that a column of numbers starts with at the least. Default INTEGER. */
  readonly numberKind?: Kind;
  /** Whether whole numbers make a TIMESTAMP column of epoch ms. Default false. */
  readonly numbersAreTimes?: boolean;
  /** The column is JSON whatever its values are. Default false. */
  readonly isJson?: boolean;
}

/**
 * One column while rows are appended: its kind (which widens), its values, and which rows have one. Only values that are
 * there take room and time: the rows are listed from the first one on that has no value, and until then value i is row
 * i's. Rows are lazy: those of the table beyond the column's rowCount are null in it.
 *
 * The decoder asks `place` where the value of the next row goes, writes it into `values` itself, and then moves `rowCount`.
 */
export class ColumnBuilder {
  readonly name: string;
  /** Its place among the page's columns, -1 when the page doesn't have it. */
  ordinal = 0;
  kind: Kind = UNTYPED;
  /** The storage that fits `kind`; null exactly when that is UNTYPED (then all rows are null). */
  values: Values | null = null;
  rowCount = 0;
  /** Rows of these without a value. While it is 0, `place(rowCount)` is rowCount and need not be called. */
  nullCount = 0;
  /** Pages since a record last named it. */
  idlePages = 0;
  readonly account: ByteAccount;
  /** Null for elements of an ARRAY or MAP: there is no JSON to widen to; the column around them widens instead. */
  readonly #newNested: ((kind: Kind, account: ByteAccount) => NestedStorage) | null;
  readonly #settings: ColumnSettings;
  /** While nullCount isn't 0: the row of each value, ascending. */
  #rows: Uint32Array = NO_ROWS;
  /** Storage of the page before, used again when this page's values turn out to be of the same kind. */
  #spare: Values | null = null;

  /** See nested_values.ts for columns that may hold arrays and maps. */
  constructor(
    name: string,
    account: ByteAccount,
    settings: ColumnSettings = {},
    newNested: ((kind: Kind, account: ByteAccount) => NestedStorage) | null = null,
  ) {
    this.name = name;
    this.account = account;
    this.#settings = settings;
    this.#newNested = newNested;
    account.byteLength += COLUMN_OVERHEAD_BYTES + 2 * name.length;
  }

  get scalarOnly(): boolean {
    return this.#newNested === null;
  }

  get detectTimes(): boolean {
    return this.#settings.detectTimes ?? true;
  }

  get numberKind(): Kind {
    return this.#settings.numberKind ?? UNTYPED;
  }

  get numbersAreTimes(): boolean {
    return this.#settings.numbersAreTimes ?? false;
  }

  get isJson(): boolean {
    return this.#settings.isJson ?? false;
  }

  /** How many rows have a value. */
  get valueCount(): number {
    return this.rowCount - this.nullCount;
  }

  /** Gives an UNTYPED column its kind. The rows so far are null. `form` is needed for TIMESTAMP. */
  become(kind: Kind, form: TimestampForm = "EPOCH_MS"): Values {
    const values = this.#spare?.kind === kind ? this.#spare : this.account.take(kind) ?? this.#newValues(kind, form);
    if (this.#spare !== values) this.#spare?.release();
    this.#spare = null;
    if (values instanceof TimestampValues) values.form = form;
    this.kind = kind;
    this.values = values;
    return values;
  }

  /** Back to UNTYPED, for a column whose rows are all null. `valueCount`: how many values the storage had. */
  untype(valueCount = 0): void {
    if (this.values === null) return;
    this.values.recycle(valueCount);
    if (!this.account.giveBack(this.values)) {
      this.#spare?.release();
      this.#spare = this.values;
    }
    this.values = null;
    this.kind = UNTYPED;
  }

  /** Takes converted values of a wider kind in place of the present ones. */
  replaceValues(values: Values): void {
    this.values?.release();
    this.kind = values.kind;
    this.values = values;
  }

  /** Where the value of row `row`, which isn't there yet, goes among the values. Rows before it that nobody filled are null. */
  place(row: number): number {
    if (this.rowCount < row) this.pad(row);
    const index = row - this.nullCount;
    if (this.nullCount > 0) {
      if (index >= this.#rows.length) this.#reserveRows(index + 1);
      this.#rows[index] = row;
    }
    return index;
  }

  /** Nulls up to row `rowCount`. */
  pad(rowCount: number): void {
    if (rowCount <= this.rowCount) return;
    if (this.nullCount === 0) {
      this.#reserveRows(this.rowCount);
      for (let row = 0; row < this.rowCount; row++) this.#rows[row] = row;
    }
    this.nullCount += rowCount - this.rowCount;
    this.rowCount = rowCount;
  }

  /** Which value is that of an existing row; -1 when it is null. */
  valueIndex(row: number): number {
    const index = valueIndex(this.#listed, row);
    return index < this.valueCount ? index : -1;
  }

  /** Forgets the rows from `rowCount` on, also what was written for a row that isn't finished. */
  truncate(rowCount: number): void {
    if (rowCount < this.rowCount) {
      const valueCount = valuesBefore(this.#listed, rowCount);
      this.rowCount = rowCount;
      this.nullCount = rowCount - valueCount;
    }
    this.values?.truncate(this.valueCount);
  }

  /** The column's type as it is now. */
  get type(): ColumnType {
    const nested = this.values as Partial<NestedStorage> | null;
    return columnTypeOf(this.kind, nested?.elements?.kind ?? UNTYPED);
  }

  /** Appends a null. Rows before it that nobody filled become null too. */
  appendNull(row: number): void {
    this.pad(row + 1);
  }

  /** All rows as a block over the builder's own arrays, valid until the next change. */
  block(): Block {
    const rows: BlockRows = { rowCount: this.rowCount, ...this.#listed };
    return this.values?.block(rows) ?? { type: "VARCHAR", ...rows, bytes: NO_BYTES, offsets: NO_TEXTS, plain: true };
  }

  /** Forgets all rows and the kind, and keeps the storage for the next page unless it is far too large. */
  reset(): void {
    const { valueCount } = this;
    const capacity = recycledCapacity(this.#rows.length, this.nullCount > 0 ? valueCount : 0, MIN_CAPACITY);
    if (capacity < this.#rows.length) this.#replaceRows(capacity);
    this.untype(valueCount);
    this.nullCount = 0;
    this.rowCount = 0;
  }

  /** Gives all memory back to the account. Must not be used afterwards. */
  release(): void {
    this.reset();
    this.#spare?.release();
    this.#spare = null;
    this.#replaceRows(0);
    this.account.byteLength -= COLUMN_OVERHEAD_BYTES + 2 * this.name.length;
  }

  #newValues(kind: Kind, form: TimestampForm): Values {
    if (this.#newNested !== null && (kind === ARRAY || kind === MAP)) return this.#newNested(kind, this.account);
    return newScalarValues(kind, this.account, form);
  }

  get #listed(): { readonly rows: Uint32Array | null; readonly valueCount: number } {
    return { rows: this.nullCount > 0 ? this.#rows : null, valueCount: this.valueCount };
  }

  #reserveRows(count: number): void {
    if (count <= this.#rows.length) return;
    const old = this.#rows;
    this.#replaceRows(grownCapacity(old.length, count));
    this.#rows.set(old);
  }

  #replaceRows(length: number): void {
    this.account.byteLength += 4 * (length - this.#rows.length);
    this.#rows = length === 0 ? NO_ROWS : new Uint32Array(length);
  }
}
