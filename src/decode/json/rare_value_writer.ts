import type { ColumnBuilder } from "../../columnar/column_builder.ts";
import type { DateValues, TimestampValues } from "../../columnar/fixed_values.ts";
import { ARRAY, BOOLEAN, DATE, JSON_TEXT, MAP, TIMESTAMP, UNTYPED, VARCHAR } from "../../columnar/kinds.ts";
import type { ArrayValues, MapValues } from "../../columnar/nested_values.ts";
import type { TableBuilder } from "../../columnar/table_builder.ts";
import type { VarcharValues } from "../../columnar/varchar_values.ts";
import { holdsTimeTexts, widenToJson, widenToVarchar } from "../../columnar/widen.ts";
import {
  BACKSLASH,
  COMMA,
  LEFT_BRACE,
  LEFT_BRACKET,
  LOWER_F,
  LOWER_N,
  LOWER_T,
  MINUS,
  NINE,
  QUOTE,
  RIGHT_BRACE,
  RIGHT_BRACKET,
  SPACE,
  ZERO,
} from "../bytes.ts";
import { JsonNumberWriter } from "./number_writer.ts";
import { DayCache, parseDate, parseTimestamp, timestampFormOf } from "../times.ts";

/** Returned instead of a position when a value doesn't fit a column that may only hold scalars. */
const DOES_NOT_FIT = -1;

/** Appends whatever is rare: nulls, first values, nested values, and all that widens a column. */
export abstract class JsonRareValueWriter extends JsonNumberWriter {
  /** The table whose row is open. */
  table: TableBuilder | null = null;
  readonly #day = new DayCache();

  /** Appends any value; what it can't do by itself it leaves to `appendOther`. */
  protected abstract appendValue(column: ColumnBuilder, row: number, pos: number): number;

  /** Appends the value at `pos` as the column's next row, which is `row`. Returns the position after it. */
  protected appendOther(column: ColumnBuilder, row: number, pos: number): number {
    const c = this.bytes[pos];
    if (pos >= this.end) return this.fail(pos, "a value");
    if (column.ordinal < 0) this.activate(column, pos);
    if (c === LOWER_N) {
      const next = this.skipLiteral(pos);
      column.appendNull(row);
      return next;
    }
    if (column.kind === UNTYPED && column.isJson) column.become(JSON_TEXT);
    if (c === QUOTE) return this.#appendText(column, row, pos);
    if (column.kind === JSON_TEXT) return this.#appendJson(column, row, pos);
    if (c === LEFT_BRACKET || c === LEFT_BRACE) return this.#appendNested(column, row, pos);
    if (c === LOWER_T || c === LOWER_F) {
      if (column.kind !== UNTYPED) return this.#appendAsJson(column, row, pos);
      column.become(BOOLEAN);
      return this.appendValue(column, row, pos);
    }
    if (c !== MINUS && !(c >= ZERO && c <= NINE)) return this.fail(pos, "a value");
    const next = this.readNumber(pos);
    return this.storeNumber(column, row, pos, next) ? next : DOES_NOT_FIT;
  }

  /** The page's first record with this column. */
  protected activate(column: ColumnBuilder, pos: number): void {
    const table = this.table!;
    if (table.activate(column)) return;
    column.reset();
    this.reject(
      "too-many-columns",
      `the field before byte ${pos - this.start} would be a new column, and the record has as many as ` +
        `columns.max-count=${table.maxColumns} allows`,
    );
  }

  /** Appends a value that isn't part of the record: `text` is its JSON text. */
  protected appendToken(column: ColumnBuilder, row: number, text: Uint8Array): void {
    const { bytes, start, end } = this;
    this.setBytes(text);
    this.start = 0;
    this.end = text.length;
    try {
      this.appendValue(column, row, 0);
    } finally {
      this.setBytes(bytes);
      this.start = start;
      this.end = end;
    }
  }

  /** A string where the column isn't VARCHAR, or holds half a surrogate pair. */
  #appendText(column: ColumnBuilder, row: number, pos: number): number {
    const next = this.skipString(pos + 1);
    const length = next - pos - 2;
    if (column.kind === UNTYPED && column.detectTimes) this.#becomeTime(column, pos, length);
    if (column.kind === DATE && length === 10) {
      const days = parseDate(this.bytes, pos + 1);
      if (days === days) {
        const values = column.values as DateValues;
        const index = column.place(row);
        values.reserve(index + 1);
        values.values[index] = days;
        column.rowCount = row + 1;
        return next;
      }
    }
    if (column.kind === TIMESTAMP && timestampFormOf(length) === (column.values as TimestampValues).form) {
      const value = this.timestampAt(pos, length);
      if (value === value) {
        const values = column.values as TimestampValues;
        const index = column.place(row);
        values.reserve(index + 1);
        values.values[index] = value;
        column.rowCount = row + 1;
        return next;
      }
    }
    if (column.kind === JSON_TEXT) return this.#appendJson(column, row, pos);
    if (this.sawEscape && !this.#isWellFormed(pos, next)) return this.#appendAsJson(column, row, pos);
    if (column.kind === UNTYPED) column.become(VARCHAR);
    else if (holdsTimeTexts(column)) widenToVarchar(column);
    return column.kind === VARCHAR ? this.appendValue(column, row, pos) : this.#appendAsJson(column, row, pos);
  }

  /** Whether the string [pos, next) has UTF-8: no escape is half of a surrogate pair. It was checked before. */
  #isWellFormed(pos: number, next: number): boolean {
    return (JSON.parse(this.utf8Text(pos, next)) as string).isWellFormed();
  }

  /** Makes an UNTYPED column DATE or TIMESTAMP when its first string is one. */
  #becomeTime(column: ColumnBuilder, pos: number, length: number): void {
    if (length === 10) {
      const days = parseDate(this.bytes, pos + 1);
      if (days === days) column.become(DATE);
      return;
    }
    const form = timestampFormOf(length);
    if (form === null) return;
    const value = this.timestampAt(pos, length);
    if (value === value) column.become(TIMESTAMP, form);
  }

  /** An array or object: its elements one by one if they are scalars of one type, else its text. */
  #appendNested(column: ColumnBuilder, row: number, pos: number): number {
    const isArray = this.bytes[pos] === LEFT_BRACKET;
    if (column.scalarOnly) return DOES_NOT_FIT;
    if (column.kind === UNTYPED) column.become(isArray ? ARRAY : MAP);
    if (column.kind !== (isArray ? ARRAY : MAP)) return this.#appendAsJson(column, row, pos);
    const values = column.values as ArrayValues | MapValues;
    const index = column.place(row);
    values.reserve(index + 1);
    const first = values.offsets[index];
    const next = isArray
      ? this.#appendElements(column.values as ArrayValues, pos)
      : this.#appendEntries(column.values as MapValues, pos);
    if (next < 0) {
      values.truncateElements(first);
      return this.#appendAsJson(column, row, pos);
    }
    values.offsets[index + 1] = values.elements.rowCount;
    column.rowCount = row + 1;
    return next;
  }

  #appendElements({ elements }: ArrayValues, pos: number): number {
    const bytes = this.bytes;
    pos = this.#pastSpace(pos + 1);
    if (bytes[pos] === RIGHT_BRACKET) return pos + 1;
    for (;;) {
      pos = this.appendValue(elements, elements.rowCount, pos);
      if (pos < 0) return DOES_NOT_FIT;
      pos = this.#pastSpace(pos);
      if (bytes[pos] !== COMMA) return bytes[pos] === RIGHT_BRACKET ? pos + 1 : this.fail(pos, "',' or ']'");
      pos = this.#pastSpace(pos + 1);
    }
  }

  #appendEntries({ keys, elements }: MapValues, pos: number): number {
    const bytes = this.bytes;
    pos = this.#pastSpace(pos + 1);
    if (bytes[pos] === RIGHT_BRACE) return pos + 1;
    for (;;) {
      if (bytes[pos] !== QUOTE) return this.fail(pos, "a field name in quotes");
      pos = this.appendValue(keys, keys.rowCount, pos);
      if (pos < 0) return DOES_NOT_FIT;
      pos = this.appendValue(elements, elements.rowCount, this.skipColon(pos));
      if (pos < 0) return DOES_NOT_FIT;
      pos = this.#pastSpace(pos);
      if (bytes[pos] !== COMMA) return bytes[pos] === RIGHT_BRACE ? pos + 1 : this.fail(pos, "',' or '}'");
      pos = this.#pastSpace(pos + 1);
    }
  }

  /** skipSpace where there mostly is none. */
  #pastSpace(pos: number): number {
    return this.bytes[pos] <= SPACE ? this.skipSpace(pos) : pos;
  }

  /** Widens the column to JSON and appends the value's own text. */
  #appendAsJson(column: ColumnBuilder, row: number, pos: number): number {
    if (!widenToJson(column)) return DOES_NOT_FIT;
    return this.#appendJson(column, row, pos);
  }

  /** Appends the value's text without the white space outside strings. */
  #appendJson(column: ColumnBuilder, row: number, pos: number): number {
    const next = this.skipValue(pos);
    if (next > this.end) return this.fail(this.end, "the rest of a value");
    const values = column.values as VarcharValues;
    const index = column.place(row);
    if (this.sawSpace) this.#setCompact(values, index, pos, next);
    else values.set(index, this.bytes, pos, next);
    column.rowCount = row + 1;
    return next;
  }

  #setCompact(values: VarcharValues, index: number, pos: number, next: number): void {
    const bytes = this.bytes;
    values.reserve(index + 1);
    let out = values.offsets[index];
    values.reserveBytes(out + next - pos, out);
    const target = values.bytes;
    let isInString = false;
    for (let i = pos; i < next; i++) {
      const c = bytes[i];
      if (c === QUOTE) {
        isInString = !isInString;
      } else if (c === BACKSLASH) {
        target[out++] = c;
        target[out++] = bytes[++i];
        continue;
      } else if (c <= SPACE && !isInString) {
        continue;
      }
      target[out++] = c;
    }
    values.offsets[index + 1] = out;
  }

  /** The timestamp in quotes of exactly `length` bytes at `pos`; NaN when there is none. */
  protected timestampAt(pos: number, length: number): number {
    const bytes = this.bytes;
    if (pos + length + 2 > this.end || bytes[pos] !== QUOTE || bytes[pos + length + 1] !== QUOTE) return NaN;
    return parseTimestamp(bytes, this.view, { at: pos + 1, length, cache: this.#day });
  }
}
