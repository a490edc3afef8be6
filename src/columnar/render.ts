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

/** Writes a DATE, or a TIMESTAMP in one of the ISO forms, as the text that it was read from. */
export function writeTimeText(column: ColumnBuilder, index: number, out: ByteWriter): void {
  out.reserve(LONGEST_TIME);
  if (column.kind === DATE) {
    out.length = writeDate(out.bytes, out.length, (column.values as DateValues).values[index]);
    return;
  }
  const { values, form } = column.values as TimestampValues;
  if (form !== "EPOCH_MS") out.length = writeIsoTimestamp(out.bytes, out.length, values[index], form);
}

/** Writes value `index` as JSON text equal to what was read, without white space. */
export function writeJson(column: ColumnBuilder, index: number, out: ByteWriter): void {
  switch (column.kind) {
    case BOOLEAN:
      return out.text((column.values as BooleanValues).values[index] === 1 ? "true" : "false");
    case INTEGER:
      return out.text(String((column.values as IntegerValues).values[index]));
    case BIGINT:
      return out.text(String((column.values as BigintValues).values[index]));
    case DOUBLE: {
      const value = (column.values as DoubleValues).values[index];
      return out.text(Object.is(value, -0) ? "-0" : String(value));
    }
    case DATE:
      return writeQuotedTime(column, index, out);
    case TIMESTAMP: {
      const { values, form } = column.values as TimestampValues;
      return form === "EPOCH_MS" ? out.text(String(values[index])) : writeQuotedTime(column, index, out);
    }
    case VARCHAR: {
      const { bytes, offsets } = column.values as VarcharValues;
      return out.jsonString(bytes, offsets[index], offsets[index + 1]);
    }
    case JSON_TEXT: {
      const { bytes, offsets } = column.values as VarcharValues;
      return out.copy(bytes, offsets[index], offsets[index + 1]);
    }
    case ARRAY:
      return writeArray(column.values as ArrayValues, index, out);
    case MAP:
      return writeObject(column.values as MapValues, index, out);
  }
}

function writeQuotedTime(column: ColumnBuilder, index: number, out: ByteWriter): void {
  out.byte(QUOTE);
  writeTimeText(column, index, out);
  out.byte(QUOTE);
}

function writeArray({ elements, offsets }: ArrayValues, index: number, out: ByteWriter): void {
  out.byte(0x5b);
  for (let i = offsets[index]; i < offsets[index + 1]; i++) {
    if (i > offsets[index]) out.byte(COMMA);
    writeElement(elements, i, out);
  }
  out.byte(0x5d);
}

function writeObject({ keys, elements, offsets }: MapValues, index: number, out: ByteWriter): void {
  out.byte(0x7b);
  for (let i = offsets[index]; i < offsets[index + 1]; i++) {
    if (i > offsets[index]) out.byte(COMMA);
    writeJson(keys, i, out);
    out.byte(COLON);
    writeElement(elements, i, out);
  }
  out.byte(0x7d);
}

function writeElement(elements: ColumnBuilder, row: number, out: ByteWriter): void {
  const index = elements.valueIndex(row);
  if (index < 0) out.text("null");
  else writeJson(elements, index, out);
}
