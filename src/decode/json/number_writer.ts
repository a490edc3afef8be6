import type { ColumnBuilder } from "../../columnar/column_builder.ts";
import { isExactDouble } from "../../columnar/decimal.ts";
import type { BigintValues, DoubleValues, IntegerValues, TimestampValues } from "../../columnar/fixed_values.ts";
import { BIGINT, DOUBLE, INTEGER, JSON_TEXT, type Kind, TIMESTAMP, UNTYPED } from "../../columnar/kinds.ts";
import type { VarcharValues } from "../../columnar/varchar_values.ts";
import { widenToBigint, widenToDouble, widenToJson } from "../../columnar/widen.ts";
import { JsonNumberReader } from "./number_reader.ts";
import { MAX_EPOCH_MS } from "../times.ts";

/** Stores numbers in the narrowest kind that a column's values allow. */
export class JsonNumberWriter extends JsonNumberReader {
  /** Whether the number read last, whose text is [start, end), is exact as a double. */
  #isExactDouble(start: number, end: number): boolean {
    if (this.numberKind !== BIGINT || Number.isSafeInteger(this.numberValue)) return this.numberKind !== JSON_TEXT;
    return isExactDouble(this.asciiText(start, end), this.numberValue);
  }

  /** Whether the number read last is a whole number that can be a time in ms. */
  #isEpochMs(): boolean {
    const value = this.numberValue;
    return this.numberKind !== JSON_TEXT && Number.isInteger(value) && Math.abs(value) <= MAX_EPOCH_MS &&
      !Object.is(value, -0);
  }

  /**
   * Stores the number read last, whose text is [start, end), as the column's next row, widening the column as needed.
   * False, with nothing stored, when a scalar column can't hold it.
   */
  protected storeNumber(column: ColumnBuilder, row: number, start: number, end: number): boolean {
    const index = column.place(row);
    while (!this.#storeIfFits(column, index, start, end)) {
      if (!this.#widenForNumber(column)) return false;
    }
    column.rowCount = row + 1;
    return true;
  }

  #storeIfFits(column: ColumnBuilder, index: number, start: number, end: number): boolean {
    const kind = this.numberKind;
    column.values?.reserve(index + 1);
    switch (column.kind) {
      case INTEGER:
        if (kind !== INTEGER) return false;
        (column.values as IntegerValues).values[index] = this.numberValue;
        return true;
      case BIGINT: {
        if (kind !== INTEGER && kind !== BIGINT) return false;
        const { words } = column.values as BigintValues;
        words[2 * index] = kind === INTEGER ? this.numberValue : this.low;
        words[2 * index + 1] = kind === INTEGER ? (this.numberValue < 0 ? -1 : 0) : this.high;
        return true;
      }
      case DOUBLE:
        if (!this.#isExactDouble(start, end)) return false;
        (column.values as DoubleValues).values[index] = this.numberValue;
        return true;
      case TIMESTAMP: {
        const values = column.values as TimestampValues;
        if (values.form !== "EPOCH_MS" || !this.#isEpochMs()) return false;
        values.values[index] = this.numberValue;
        return true;
      }
      case JSON_TEXT:
        (column.values as VarcharValues).set(index, this.bytes, start, end);
        return true;
      default:
        return false;
    }
  }

  /** One step wider. False when there is none. */
  #widenForNumber(column: ColumnBuilder): boolean {
    const kind = this.numberKind;
    if (column.kind === UNTYPED) {
      if (kind === JSON_TEXT && column.scalarOnly) return false;
      if (column.numbersAreTimes && this.#isEpochMs()) column.become(TIMESTAMP, "EPOCH_MS");
      else column.become(Math.max(kind, column.numberKind) as Kind);
      return true;
    }
    const isWholeColumn = column.kind === INTEGER ||
      (column.kind === TIMESTAMP && (column.values as TimestampValues).form === "EPOCH_MS");
    if (isWholeColumn && (kind === INTEGER || kind === BIGINT)) {
      widenToBigint(column);
      return true;
    }
    if ((isWholeColumn || column.kind === BIGINT) && kind === DOUBLE && widenToDouble(column)) return true;
    return widenToJson(column);
  }
}
