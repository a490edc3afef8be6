import type { ColumnBuilder } from "../../columnar/column_builder.ts";
import type {
  BigintValues,
  BooleanValues,
  DoubleValues,
  IntegerValues,
  TimestampValues,
} from "../../columnar/fixed_values.ts";
import { BIGINT, BOOLEAN, DOUBLE, INTEGER, TIMESTAMP, VARCHAR } from "../../columnar/kinds.ts";
import type { VarcharValues } from "../../columnar/varchar_values.ts";
import { DOT, LOWER_F, LOWER_T, MINUS, QUOTE, ZERO } from "../bytes.ts";
import { FIFTEEN_DIGITS, isWholeEnd } from "./number_reader.ts";
import { JsonRareValueWriter } from "./rare_value_writer.ts";
import { POWERS_OF_TEN } from "../powers_of_ten.ts";
import { timestampLength } from "../times.ts";

/** Appends JSON values to columns. `appendValue` is where the collector spends its time: a value that is like those before it. */
export class JsonColumnWriter extends JsonRareValueWriter {
  /**
   * Appends the value at `pos` to the column as row `row` and returns the position after the value. When the column has
   * that row already, the field came before in this record: the first one counts, this one is only checked.
   */
  protected override appendValue(column: ColumnBuilder, row: number, pos: number): number {
    let index = row;
    if (column.rowCount !== row || column.nullCount > 0) {
      if (column.rowCount > row) return this.skipValue(pos);
      index = column.place(row);
    }
    const bytes = this.bytes;
    const c = bytes[pos];
    switch (column.kind) {
      case VARCHAR: {
        if (c !== QUOTE) break;
        const values = column.values as VarcharValues;
        if (index >= values.capacity) values.reserve(index + 1);
        const next = this.copyString(pos + 1, values, values.offsets[index]);
        if (next < 0) break;
        values.offsets[index + 1] = this.copyEnd;
        column.rowCount = row + 1;
        return next;
      }
      case INTEGER: {
        const next = this.readWhole(pos);
        const value = this.digitsValue;
        if (next < 0 || value !== (value | 0)) break;
        const values = column.values as IntegerValues;
        if (index >= values.capacity) values.reserve(index + 1);
        values.values[index] = value;
        column.rowCount = row + 1;
        return next;
      }
      case DOUBLE:
        return this.#appendDouble(column, row, index, pos);
      case TIMESTAMP:
        return this.#appendTimestamp(column, row, index, pos);
      case BIGINT: {
        const values = column.values as BigintValues;
        if (index >= values.capacity) values.reserve(index + 1);
        let next = this.readWhole(pos);
        if (next >= 0) {
          values.setNumber(index, this.digitsValue);
        } else {
          next = this.readLong(pos);
          if (next < 0) break;
          values.words[2 * index] = this.low;
          values.words[2 * index + 1] = this.high;
        }
        column.rowCount = row + 1;
        return next;
      }
      case BOOLEAN: {
        if (c !== LOWER_T && c !== LOWER_F) break;
        const next = this.skipLiteral(pos);
        const values = column.values as BooleanValues;
        if (index >= values.capacity) values.reserve(index + 1);
        values.values[index] = c === LOWER_T ? 1 : 0;
        column.rowCount = row + 1;
        return next;
      }
    }
    return this.appendOther(column, row, pos);
  }

  #appendDouble(column: ColumnBuilder, row: number, index: number, pos: number): number {
    const bytes = this.bytes;
    const negative = bytes[pos] === MINUS;
    const first = negative ? pos + 1 : pos;
    let next = this.readDigits(first, 0);
    const digits = next - first;
    let decimals = 0;
    if (bytes[next] === DOT) {
      const firstDecimal = next + 1;
      next = this.readDigits(firstDecimal, this.digitsValue);
      decimals = next - firstDecimal;
      if (decimals === 0) return this.appendOther(column, row, pos);
    }
    const mantissa = this.digitsValue;
    const isClean = digits === 1 || (digits > 1 && bytes[first] !== ZERO);
    if (!isClean || mantissa >= FIFTEEN_DIGITS || decimals > 22 || !isWholeEnd(bytes[next])) {
      return this.appendOther(column, row, pos);
    }
    const values = column.values as DoubleValues;
    if (index >= values.capacity) values.reserve(index + 1);
    const value = mantissa / POWERS_OF_TEN[decimals];
    values.values[index] = negative ? -value : value;
    column.rowCount = row + 1;
    return next;
  }

  #appendTimestamp(column: ColumnBuilder, row: number, index: number, pos: number): number {
    const values = column.values as TimestampValues;
    let value: number, next: number;
    if (values.form === "EPOCH_MS") {
      next = this.readWhole(pos);
      if (next < 0) return this.appendOther(column, row, pos);
      value = this.digitsValue;
    } else {
      const length = timestampLength(values.form);
      next = pos + length + 2;
      value = this.timestampAt(pos, length);
      if (value !== value) return this.appendOther(column, row, pos);
    }
    if (index >= values.capacity) values.reserve(index + 1);
    values.values[index] = value;
    column.rowCount = row + 1;
    return next;
  }
}
