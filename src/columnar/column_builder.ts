import type { Block } from "./block.ts";
import { type ByteAccount, COLUMN_OVERHEAD_BYTES, MIN_ROW_CAPACITY, recycledCapacity } from "./byte_account.ts";
import { TimestampValues } from "./fixed_values.ts";
import { columnTypeOf, type Kind, UNTYPED } from "./kinds.ts";
import { newValues } from "./new_values.ts";
import type { ArrayValues } from "./nested_values.ts";
import type { ColumnType, TimestampForm } from "./types.ts";
import type { Values } from "./values.ts";

const NO_BYTES = new Uint8Array(0);

export interface ColumnSettings {
  /** Elements of an ARRAY or MAP: there is no JSON to widen to; the column around them widens instead. Default false. */
  readonly scalarOnly?: boolean;
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
 * One column while rows are appended: its kind (which widens), its values, and which rows are null. Rows are lazy: a
 * column whose rowCount is behind its table's has nulls there once somebody looks (`pad`). The decoder writes values
 * into `values` itself and then moves `rowCount`.
 */
export class ColumnBuilder {
  readonly name: string;
  /** Its place among the page's columns, -1 when the page doesn't have it. */
  ordinal = 0;
  kind: Kind = UNTYPED;
  /** The storage that fits `kind`; null exactly when that is UNTYPED (then all rows are null). */
  values: Values | null = null;
  rowCount = 0;
  nullCount = 0;
  /** Bit i is set when row i is null; shorter than the rows when the later ones have values. */
  nulls: Uint8Array = NO_BYTES;
  readonly scalarOnly: boolean;
  readonly detectTimes: boolean;
  readonly numberKind: Kind;
  readonly numbersAreTimes: boolean;
  readonly isJson: boolean;
  readonly account: ByteAccount;
  /** Storage of the page before, used again when this page's values turn out to be of the same kind. */
  #spare: Values | null = null;

  constructor(name: string, account: ByteAccount, settings: ColumnSettings = {}) {
    this.name = name;
    this.account = account;
    this.scalarOnly = settings.scalarOnly ?? false;
    this.detectTimes = settings.detectTimes ?? true;
    this.numberKind = settings.numberKind ?? UNTYPED;
    this.numbersAreTimes = settings.numbersAreTimes ?? false;
    this.isJson = settings.isJson ?? false;
    account.byteLength += COLUMN_OVERHEAD_BYTES + 2 * name.length;
  }

  /** How many rows have a value. */
  get valueCount(): number {
    return this.rowCount - this.nullCount;
  }

  /** Gives an UNTYPED column its kind. The rows so far are null. `form` is needed for TIMESTAMP. */
  become(kind: Kind, form: TimestampForm = "EPOCH_MS"): Values {
    const values = this.#spare?.kind === kind ? this.#spare : newValues(kind, this.account, form);
    if (this.#spare !== values) this.#spare?.release();
    this.#spare = null;
    if (values instanceof TimestampValues) values.form = form;
    values.pad(0, this.rowCount);
    this.kind = kind;
    this.values = values;
    return values;
  }

  /** Back to UNTYPED, for a column whose rows are all null. */
  untype(): void {
    if (this.values === null) return;
    this.values.recycle(this.rowCount);
    this.#spare?.release();
    this.#spare = this.values;
    this.values = null;
    this.kind = UNTYPED;
  }

  /** Takes converted values of a wider kind in place of the present ones. */
  replaceValues(values: Values): void {
    this.values?.release();
    this.kind = values.kind;
    this.values = values;
  }

  /** Nulls up to row `rowCount`. */
  pad(rowCount: number): void {
    const from = this.rowCount;
    if (from >= rowCount) return;
    this.#reserveNulls(rowCount);
    for (let row = from; row < rowCount;) {
      if ((row & 7) === 0 && rowCount - row >= 8) {
        this.nulls[row >> 3] = 255;
        row += 8;
      } else {
        this.nulls[row >> 3] |= 1 << (row & 7);
        row++;
      }
    }
    this.nullCount += rowCount - from;
    this.values?.pad(from, rowCount);
    this.rowCount = rowCount;
  }

  /** Whether an existing row is null. */
  isNull(row: number): boolean {
    return this.nullCount > 0 && (row >> 3) < this.nulls.length && (this.nulls[row >> 3] & (1 << (row & 7))) !== 0;
  }

  /** Forgets the rows from `rowCount` on, also what was written for a row that isn't finished. */
  truncate(rowCount: number): void {
    for (let row = rowCount; row < this.rowCount; row++) {
      if (!this.isNull(row)) continue;
      this.nulls[row >> 3] &= ~(1 << (row & 7));
      this.nullCount--;
    }
    if (rowCount < this.rowCount) this.rowCount = rowCount;
    this.values?.truncate(this.rowCount);
  }

  /** The column's type as it is now. */
  get type(): ColumnType {
    const nested = this.values as ArrayValues | null;
    return columnTypeOf(this.kind, nested?.elements?.kind ?? UNTYPED);
  }

  /** Appends a null. Rows before it that nobody filled become null too. */
  appendNull(row: number): void {
    this.pad(row + 1);
  }

  /** All rows as a block over the builder's own arrays, valid until the next change. */
  block(): Block {
    let nulls: Uint8Array | null = null;
    if (this.nullCount > 0) {
      this.#reserveNulls(this.rowCount);
      nulls = this.nulls;
    }
    if (this.values !== null) return this.values.block(this.rowCount, nulls);
    const offsets = new Uint32Array(this.rowCount + 1);
    return { type: "VARCHAR", rowCount: this.rowCount, nulls, bytes: NO_BYTES, offsets, plain: true };
  }

  /** Forgets all rows and the kind, and keeps the storage for the next page unless it is far too large. */
  reset(): void {
    const used = (this.rowCount + 7) >> 3;
    const capacity = recycledCapacity(this.nulls.length, this.nullCount > 0 ? used : 0, MIN_ROW_CAPACITY);
    if (capacity < this.nulls.length) this.#replaceNulls(capacity);
    else this.nulls.fill(0, 0, used);
    this.nullCount = 0;
    this.untype();
    this.rowCount = 0;
  }

  /** Gives all memory back to the account. Must not be used afterwards. */
  release(): void {
    this.reset();
    this.#spare?.release();
    this.#spare = null;
    this.#replaceNulls(0);
    this.account.byteLength -= COLUMN_OVERHEAD_BYTES + 2 * this.name.length;
  }

  #reserveNulls(rowCount: number): void {
    const needed = (rowCount + 7) >> 3;
    if (needed <= this.nulls.length) return;
    const old = this.nulls;
    this.#replaceNulls(Math.max(needed, 2 * old.length, MIN_ROW_CAPACITY));
    this.nulls.set(old);
  }

  #replaceNulls(length: number): void {
    this.account.byteLength += length - this.nulls.length;
    this.nulls = length === 0 ? NO_BYTES : new Uint8Array(length);
  }
}
