/**
 * Widening: a column that meets a value which its kind can't hold exactly takes the next kind that holds both, and the
 * rows already there keep their values.
 *
 *     INTEGER -> BIGINT -> DOUBLE (only while every value prints back equal) -> JSON
 *     TIMESTAMP of numbers -> BIGINT, DOUBLE -> JSON
 *     DATE, TIMESTAMP of texts -> VARCHAR -> JSON
 *     BOOLEAN, ARRAY, MAP -> JSON
 */
import { ByteWriter } from "./byte_writer.ts";
import type { ColumnBuilder } from "./column_builder.ts";
import { isExactBigintDouble } from "./decimal.ts";
import { BigintValues, DoubleValues, type IntegerValues, type TimestampValues } from "./fixed_values.ts";
import { BIGINT, DATE, JSON_TEXT, TIMESTAMP, VARCHAR } from "./kinds.ts";
import { writeJson, writeTimeText } from "./render.ts";
import { VarcharValues } from "./varchar_values.ts";

/** INTEGER or TIMESTAMP of numbers to BIGINT. */
export function widenToBigint(column: ColumnBuilder): void {
  const from = (column.values as IntegerValues | TimestampValues).values;
  const to = new BigintValues(column.account);
  to.reserve(column.valueCount + 1);
  for (let i = 0; i < column.valueCount; i++) to.setNumber(i, from[i]);
  column.replaceValues(to);
}

/** INTEGER, BIGINT or TIMESTAMP of numbers to DOUBLE. Returns false, and changes nothing, when a value would not be exact. */
export function widenToDouble(column: ColumnBuilder): boolean {
  if (column.kind === BIGINT && !holdsOnlyExactDoubles(column)) return false;
  const from = (column.values as IntegerValues | TimestampValues | BigintValues).values;
  const to = new DoubleValues(column.account);
  to.reserve(column.valueCount + 1);
  for (let i = 0; i < column.valueCount; i++) to.values[i] = Number(from[i]);
  column.replaceValues(to);
  return true;
}

function holdsOnlyExactDoubles(column: ColumnBuilder): boolean {
  const { values, words } = column.values as BigintValues;
  for (let i = 0; i < column.valueCount; i++) {
    const high = words[2 * i + 1];
    const small = high >= -(2 ** 20) && high < 2 ** 20;
    if (!small && !isExactBigintDouble(values[i])) return false;
  }
  return true;
}

/** Whether text widens the column to VARCHAR rather than to JSON: its values are texts themselves. */
export function holdsTimeTexts(column: ColumnBuilder): boolean {
  return column.kind === DATE ||
    (column.kind === TIMESTAMP && (column.values as TimestampValues).form !== "EPOCH_MS");
}

/** DATE or TIMESTAMP of texts to VARCHAR. */
export function widenToVarchar(column: ColumnBuilder): void {
  replaceByTexts(column, new VarcharValues(column.account, VARCHAR), writeTimeText);
}

/** Any kind to JSON. Returns false, and changes nothing, when the column may only hold scalars. */
export function widenToJson(column: ColumnBuilder): boolean {
  if (column.scalarOnly) return false;
  if (column.kind !== JSON_TEXT) replaceByTexts(column, new VarcharValues(column.account, JSON_TEXT), writeJson);
  return true;
}

function replaceByTexts(
  column: ColumnBuilder,
  to: VarcharValues,
  write: (column: ColumnBuilder, index: number, out: ByteWriter) => void,
): void {
  const text = new ByteWriter();
  to.reserve(column.valueCount + 1);
  for (let i = 0; i < column.valueCount; i++) {
    text.length = 0;
    write(column, i, text);
    to.set(i, text.bytes, 0, text.length);
  }
  column.replaceValues(to);
}
