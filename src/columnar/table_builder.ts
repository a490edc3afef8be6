import {
  type ByteAccount,
  grownCapacity,
  MIN_CAPACITY,
  recycledCapacity,
  TABLE_OVERHEAD_BYTES,
} from "./byte_account.ts";
import type { ColumnBuilder, ColumnSettings } from "./column_builder.ts";
import { newTableColumn } from "./nested_values.ts";
import type { Page } from "./page.ts";
import type { TableName } from "./types.ts";

/** A column or table that no record named during this many pages is forgotten. */
export const MAX_IDLE_PAGES = 3;
/** With more known columns than this, those that a page didn't name are forgotten at once. */
const MAX_IDLE_COLUMNS = 4096;
/** More known columns than this many times the allowed ones, and those without values are forgotten. */
const KNOWN_COLUMNS_FACTOR = 4;

export interface TableSettings {
  /** Most columns that a page may have. */
  readonly maxColumns: number;
  /** Columns that every table knows, whatever its records have; never forgotten. They don't count towards maxColumns. */
  readonly ownColumns: readonly string[];
  /** How the column of a name behaves. */
  columnSettings(name: string): ColumnSettings;
}

/**
 * The rows of one table until they become a page. One row at a time is open: its values are appended column by column,
 * then `finishRow` makes it a row or `rollback` leaves no trace of it.
 *
 * It knows more columns than the page has: those of earlier pages keep their storage, but are part of this page only
 * once a record names them, so that a page follows from its own records alone.
 */
export class TableBuilder {
  readonly name: TableName;
  /** The page's columns, in the order in which its records named them. */
  readonly columns: ColumnBuilder[] = [];
  rowCount = 0;
  eventTimes: Float64Array = new Float64Array(MIN_CAPACITY);
  arrivalTimes: Float64Array = new Float64Array(MIN_CAPACITY);
  /** The columns with the event time and the user, as soon as one was named. */
  timeColumn: ColumnBuilder | null = null;
  userColumn: ColumnBuilder | null = null;
  /** The columns of the settings' `ownColumns`. */
  readonly ownColumns: readonly ColumnBuilder[];
  /** Changes whenever known columns were forgotten: whoever keeps references to columns must drop them. */
  generation = 0;
  /** Its memory is given back; it must not be used any more. */
  isReleased = false;
  /** Pages since a row was last finished here. */
  idlePages = 0;
  readonly #known = new Map<string, ColumnBuilder>();
  readonly #account: ByteAccount;
  readonly #settings: TableSettings;
  /** Columns of the page that count towards maxColumns. */
  #countedColumns = 0;
  /** The same, and all columns, when the open row began. */
  #countedBeforeRow = 0;
  #columnsBeforeRow = 0;

  constructor(name: TableName, account: ByteAccount, settings: TableSettings) {
    this.name = name;
    this.#account = account;
    this.#settings = settings;
    account.byteLength += TABLE_OVERHEAD_BYTES + 16 * MIN_CAPACITY;
    this.ownColumns = settings.ownColumns.map((name) => this.column(name));
  }

  get maxColumns(): number {
    return this.#settings.maxColumns;
  }

  /** The column of a name; it becomes part of the page with `activate`. */
  column(name: string): ColumnBuilder {
    let column = this.#known.get(name);
    if (column === undefined) {
      column = newTableColumn(name, this.#account, this.#settings.columnSettings(name));
      column.ordinal = -1;
      this.#known.set(name, column);
    }
    return column;
  }

  /**
   * Makes a column part of the page. Returns false, and does nothing, when the open row alone adds as many as a page may
   * have. The page may get too many by a row's columns: see `isOverfull`.
   */
  activate(column: ColumnBuilder): boolean {
    if (!this.ownColumns.includes(column)) {
      if (this.#countedColumns - this.#countedBeforeRow >= this.#settings.maxColumns) return false;
      this.#countedColumns++;
    }
    column.ordinal = this.columns.length;
    this.columns.push(column);
    return true;
  }

  /** Whether the page has more columns than it may, which only the open row can bring about: it must be rolled back. */
  get isOverfull(): boolean {
    return this.#countedColumns > this.#settings.maxColumns;
  }

  /** Whether the open row fits an empty page. */
  get fitsAlone(): boolean {
    const isNamed = (column: ColumnBuilder) => column.rowCount > this.rowCount && !this.ownColumns.includes(column);
    return this.columns.filter(isNamed).length <= this.#settings.maxColumns;
  }

  /** How many columns of the page only the open row named. */
  get newColumnCount(): number {
    return this.columns.length - this.#columnsBeforeRow;
  }

  /** Opens row `rowCount`. */
  beginRow(): void {
    this.#columnsBeforeRow = this.columns.length;
    this.#countedBeforeRow = this.#countedColumns;
  }

  /** The open row is complete. */
  finishRow(eventTime: number, arrivalTime: number): void {
    const row = this.rowCount;
    if (row === this.eventTimes.length) this.#resizeTimes(grownCapacity(row, row + 1));
    this.eventTimes[row] = eventTime;
    this.arrivalTimes[row] = arrivalTime;
    this.rowCount = row + 1;
  }

  /** Undoes what the open row wrote, also the columns that only it named. Columns that it widened stay wide. */
  rollback(): void {
    for (const column of this.columns) {
      column.truncate(this.rowCount);
      if (column.valueCount === 0) column.untype();
    }
    for (const column of this.columns.splice(this.#columnsBeforeRow)) {
      column.reset();
      column.ordinal = -1;
    }
    this.#countedColumns = this.#countedBeforeRow;
    if (this.#known.size > KNOWN_COLUMNS_FACTOR * this.#settings.maxColumns) {
      this.#forget((column) => column.ordinal < 0);
    }
  }

  /**
   * All rows as a page over the builders' own arrays, valid until `reset`. Columns without a single value are left out.
   */
  page(): Page {
    const columns = this.columns.filter((column) => column.valueCount > 0);
    for (const column of columns) column.pad(this.rowCount);
    return {
      table: this.name,
      positionCount: this.rowCount,
      columns: columns.map(({ name, type }) => ({ name, type })),
      blocks: columns.map((column) => column.block()),
      eventTimes: this.eventTimes,
      arrivalTimes: this.arrivalTimes,
      timeColumn: this.timeColumn === null ? -1 : columns.indexOf(this.timeColumn),
      userColumn: this.userColumn === null ? -1 : columns.indexOf(this.userColumn),
    };
  }

  /** Forgets all rows, and the columns that no record named for a while. */
  reset(): void {
    this.idlePages = this.rowCount > 0 ? 0 : this.idlePages + 1;
    if (this.rowCount > 0) {
      for (const column of this.#known.values()) column.idlePages = column.ordinal >= 0 ? 0 : column.idlePages + 1;
    }
    const capacity = recycledCapacity(this.eventTimes.length, this.rowCount, MIN_CAPACITY);
    this.rowCount = 0;
    if (capacity < this.eventTimes.length) this.#resizeTimes(capacity);
    for (const column of this.columns) {
      column.reset();
      column.ordinal = -1;
    }
    this.columns.length = 0;
    this.#countedColumns = this.#countedBeforeRow = this.#columnsBeforeRow = 0;
    const maxIdlePages = this.#known.size > MAX_IDLE_COLUMNS ? 1 : MAX_IDLE_PAGES;
    this.#forget((column) => column.idlePages >= maxIdlePages);
  }

  /** Gives all memory back to the account. Must not be used afterwards. */
  release(): void {
    this.isReleased = true;
    this.columns.length = 0;
    this.#forget(() => true);
    this.#account.byteLength -= TABLE_OVERHEAD_BYTES + 16 * this.eventTimes.length;
  }

  #forget(isForgotten: (column: ColumnBuilder) => boolean): void {
    for (const column of this.#known.values()) {
      if (!isForgotten(column) || (this.ownColumns.includes(column) && !this.isReleased)) continue;
      this.#known.delete(column.name);
      column.release();
      if (this.timeColumn === column) this.timeColumn = null;
      if (this.userColumn === column) this.userColumn = null;
      this.generation++;
    }
  }

  #resizeTimes(capacity: number): void {
    this.#account.byteLength += 16 * (capacity - this.eventTimes.length);
    const eventTimes = new Float64Array(capacity), arrivalTimes = new Float64Array(capacity);
    eventTimes.set(this.eventTimes.subarray(0, this.rowCount));
    arrivalTimes.set(this.arrivalTimes.subarray(0, this.rowCount));
    this.eventTimes = eventTimes;
    this.arrivalTimes = arrivalTimes;
  }
}
