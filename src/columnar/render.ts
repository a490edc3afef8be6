import type { ByteWriter } from "./byte_writer.ts";
import { writeDate, writeIsoTimestamp } from "./calendar.ts";
import type { ColumnBuilder } from "./column_builder.ts";
import type {
  BigintValues,
  BooleanValues,
  DateValues,
  DoubleValues,
  IntegerValues,
  TimestampValues,
} from "./fixed_values.ts";
import { ARRAY, BIGINT, BOOLEAN, DATE, DOUBLE, INTEGER, JSON_TEXT, MAP, TIMESTAMP, VARCHAR } from "./kinds.ts";
import type { ArrayValues, MapValues } from "./nested_values.ts";
import type { VarcharValues } from "./varchar_values.ts";

const QUOTE = 0x22, COMMA = 0x2c, COLON = 0x3a;
const LONGEST_TIME = 27;

/** Writes a DATE, or a TIMESTAMP in one of the ISO forms, of a row as the text that it was read from. */
export function writeTimeText(column: ColumnBuilder, row: number, out: ByteWriter): void {
  out.reserve(LONGEST_TIME);
  if (column.kind === DATE) {
    out.length = writeDate(out.bytes, out.length, (column.values as DateValues).values[row]);
    return;
  }
  const { values, form } = column.values as TimestampValues;
  if (form !== "EPOCH_MS") out.length = writeIsoTimestamp(out.bytes, out.length, values[row], form);
}

/** Writes a row's value as JSON text equal to what was read, without white space. The row isn't null. */
export function writeJson(column: ColumnBuilder, row: number, out: ByteWriter): void {
  switch (column.kind) {
    case BOOLEAN:
      return out.text((column.values as BooleanValues).values[row] === 1 ? "true" : "false");
    case INTEGER:
      return out.text(String((column.values as IntegerValues).values[row]));
    case BIGINT:
      return out.text(String((column.values as BigintValues).values[row]));
    case DOUBLE: {
      const value = (column.values as DoubleValues).values[row];
      return out.text(Object.is(value, -0) ? "-0" : String(value));
    }
    case DATE:
      return writeQuotedTime(column, row, out);
    case TIMESTAMP: {
      const { values, form } = column.values as TimestampValues;
      return form === "EPOCH_MS" ? out.text(String(values[row])) : writeQuotedTime(column, row, out);
    }
    case VARCHAR: {
      const { bytes, offsets } = column.values as VarcharValues;
      return out.jsonString(bytes, offsets[row], offsets[row + 1]);
    }
    case JSON_TEXT: {
      const { bytes, offsets } = column.values as VarcharValues;
      return out.copy(bytes, offsets[row], offsets[row + 1]);
    }
    case ARRAY:
      return writeArray(column.values as ArrayValues, row, out);
    case MAP:
      return writeObject(column.values as MapValues, row, out);
  }
}

function writeQuotedTime(column: ColumnBuilder, row: number, out: ByteWriter): void {
  out.byte(QUOTE);
  writeTimeText(column, row, out);
  out.byte(QUOTE);
}

function writeArray({ elements, offsets }: ArrayValues, row: number, out: ByteWriter): void {
  out.byte(0x5b);
  for (let i = offsets[row]; i < offsets[row + 1]; i++) {
    if (i > offsets[row]) out.byte(COMMA);
    writeElement(elements, i, out);
  }
  out.byte(0x5d);
}

function writeObject({ keys, elements, offsets }: MapValues, row: number, out: ByteWriter): void {
  out.byte(0x7b);
  for (let i = offsets[row]; i < offsets[row + 1]; i++) {
    if (i > offsets[row]) out.byte(COMMA);
    writeJson(keys, i, out);
    out.byte(COLON);
    writeElement(elements, i, out);
  }
  out.byte(0x7d);
}

function writeElement(elements: ColumnBuilder, index: number, out: ByteWriter): void {
  if (elements.isNull(index)) out.text("null");
  else writeJson(elements, index, out);
}
