import {
  BIGINT,
  BOOLEAN,
  DATE,
  DOUBLE,
  INTEGER,
  JSON_TEXT,
  TIMESTAMP,
  UNTYPED,
  VARCHAR,
} from "../../columnar/kinds.ts";
import * as kinds from "../../columnar/kinds.ts";
import { MAX_DAY, MIN_DAY } from "../../columnar/calendar.ts";
import type { ColumnBuilder } from "../../columnar/column_builder.ts";
import { isExactBigintDouble } from "../../columnar/decimal.ts";
import type {
  BigintValues,
  BooleanValues,
  DateValues,
  DoubleValues,
  IntegerValues,
  TimestampValues,
} from "../../columnar/fixed_values.ts";
import type { ArrayValues, MapValues } from "../../columnar/nested_values.ts";
import type { TableBuilder } from "../../columnar/table_builder.ts";
import type { VarcharValues } from "../../columnar/varchar_values.ts";
import { specialBytes } from "../../columnar/special_bytes.ts";
import { AvroTextWriter } from "./avro_text_writer.ts";
import * as ops from "../../avro/op.ts";
import type { Op } from "../../avro/op.ts";
import { TokenAppender } from "./token_appender.ts";

/** Epoch ms of the first and after the last day that has a date of four digits. */
const MIN_MS = MIN_DAY * 86_400_000, END_MS = (MAX_DAY + 1) * 86_400_000;
/** Texts of at most this many bytes are copied by words, longer ones by one call. */
const WORD_COPY = 128;
/** Unscaled values of at most this many bytes are exact in a double, and so is a power of ten up to 22. */
const SMALL_DECIMAL_BYTE_LENGTH = 6, MAX_POWER = 22;

/**
 * Appends Avro values to columns. A column begins with the kind that the schema says; where it has another one already
 * (from another schema, or from JSON), the value goes the way of its JSON text, which widens the column as needed.
 */
export class AvroColumnWriter extends AvroTextWriter {
  /** The table whose row is open. */
  table: TableBuilder | null = null;
  readonly #tokens = new TokenAppender();

  /** Appends a field of a row: a null leaves no trace, not even a column. */
  protected appendField(column: ColumnBuilder, row: number, op: Op): void {
    let value = op;
    if (op.code === ops.OPTIONAL) {
      if (!this.isPresent(op)) return;
      value = op.inner!;
    } else if (op.code === ops.UNION) {
      value = this.readBranch(op);
      if (column.kind === UNTYPED) becomeKindOf(column, op);
    }
    if (value.code !== ops.NULL) this.append(column, row, value);
  }

  /**
   * Appends the value at `at` as row `row`. False when the column, which may only hold scalars, can't hold it; then the
   * value was read in part or whole, and the caller begins again with its text.
   */
  protected append(column: ColumnBuilder, row: number, op: Op): boolean {
    const index = column.place(row);
    if (column.ordinal < 0) this.activate(column);
    if (column.kind === UNTYPED) becomeKindOf(column, op);
    switch (op.code) {
      case ops.STRING:
        if (column.kind !== VARCHAR) break;
        this.#appendString(column, row);
        return true;
      case ops.WHOLE:
        return this.#appendWhole(column, row);
      case ops.DOUBLE:
        return this.#appendDouble(column, row, this.readDouble());
      case ops.FLOAT:
        return this.#appendDouble(column, row, this.readFloat());
      case ops.BOOLEAN: {
        if (column.kind !== BOOLEAN) break;
        const values = column.values as BooleanValues;
        if (index >= values.capacity) values.reserve(index + 1);
        values.values[index] = this.readBoolean() ? 1 : 0;
        column.rowCount = row + 1;
        return true;
      }
      case ops.ENUM: {
        if (column.kind !== VARCHAR || !op.isPlain) break;
        const symbol = this.readSymbol(op);
        this.#setText(column, row, symbol, symbol.length);
        return true;
      }
      case ops.TIMESTAMP_MILLIS:
      case ops.TIMESTAMP_MICROS:
        if (column.kind !== TIMESTAMP) break;
        return this.#appendTimestamp(column, row, op);
      case ops.DATE:
        if (column.kind !== DATE) break;
        return this.#appendDate(column, row, op);
      case ops.DECIMAL:
      case ops.FIXED_DECIMAL:
        return this.#appendDecimal(column, row, op);
      case ops.NULL:
        return true;
      case ops.OPTIONAL:
        if (!this.isPresent(op)) return this.#appendNull(column, row);
        return this.append(column, row, op.inner!);
      case ops.UNION:
        return this.#appendBranch(column, row, this.readBranch(op));
      case ops.CONSTANT:
        return this.withConstant(op, () => this.append(column, row, op.inner!));
      case ops.ARRAY:
      case ops.MAP:
        if (column.kind !== op.kind || op.kind === JSON_TEXT) break;
        return this.#appendItems(column, row, op);
      case ops.RECORD:
        break;
      case ops.INCOMPATIBLE:
        return this.reject("malformed-avro", op.name);
      default:
        if (column.kind !== VARCHAR) break;
        this.out.length = 0;
        this.writeText(op);
        this.#setText(column, row, this.out.bytes, this.out.length);
        return true;
    }
    return this.#appendAsText(column, row, op);
  }

  /** Elements of arrays and maps may be null and then need their place; a row's null needs nothing. */
  #appendNull(column: ColumnBuilder, row: number): boolean {
    column.appendNull(row);
    return true;
  }

  #appendBranch(column: ColumnBuilder, row: number, branch: Op): boolean {
    if (branch.code === ops.NULL) return this.#appendNull(column, row);
    return this.append(column, row, branch);
  }

  /** The page's first record with this column. */
  protected activate(column: ColumnBuilder): void {
    const table = this.table!;
    if (table.activate(column)) return;
    column.reset();
    this.reject(
      "too-many-columns",
      `the field before byte ${this.at - this.start} would be a new column, and the record has as many as ` +
        `columns.max-count=${table.maxColumns} allows`,
    );
  }

  #appendString(column: ColumnBuilder, row: number): void {
    const index = column.valueCount;
    const length = this.readLength("a string");
    const from = this.at;
    const values = column.values as VarcharValues;
    if (index >= values.capacity) values.reserve(index + 1);
    const to = values.offsets[index];
    if (to + length > values.viewLength) values.reserveBytes(to + length, to);
    if (length <= WORD_COPY) {
      const { bytes, view } = this;
      const outBytes = values.bytes, outView = values.view;
      let special = 0, i = 0;
      for (; i + 4 <= length; i += 4) {
        const word = view.getInt32(from + i, true);
        special |= specialBytes(word);
        outView.setInt32(to + i, word, true);
      }
      for (; i < length; i++) {
        const byte = bytes[from + i];
        if (byte < 0x20 || byte === 0x22 || byte === 0x5c || byte >= 0x80) special = 1;
        outBytes[to + i] = byte;
      }
      if (special !== 0) this.#checkValue(values, from, from + length);
    } else {
      this.#checkValue(values, from, from + length);
      values.bytes.set(this.bytes.subarray(from, from + length), to);
    }
    values.offsets[index + 1] = to + length;
    column.rowCount = row + 1;
    this.at = from + length;
  }

  #checkValue(values: VarcharValues, from: number, to: number): void {
    this.checkText(from, to);
    if (!this.isPlain) values.plain = false;
  }

  #setText(column: ColumnBuilder, row: number, bytes: Uint8Array, length: number): void {
    (column.values as VarcharValues).set(column.place(row), bytes, 0, length);
    column.rowCount = row + 1;
  }

  #appendWhole(column: ColumnBuilder, row: number): boolean {
    const start = this.at;
    const byte = this.bytes[start];
    if (byte < 0x80 && start < this.end) {
      this.at = start + 1;
      this.low = (byte >>> 1) ^ -(byte & 1);
      this.high = this.low >> 31;
    } else {
      this.readWords();
    }
    return this.#storeWhole(column, row);
  }

  /** Stores `low` and `high`. */
  #storeWhole(column: ColumnBuilder, row: number): boolean {
    const index = column.valueCount;
    const { low, high } = this;
    const values = column.values as IntegerValues | BigintValues | DoubleValues | TimestampValues;
    switch (column.kind) {
      case BIGINT: {
        if (index >= values.capacity) values.reserve(index + 1);
        const { words } = values as BigintValues;
        words[2 * index] = low;
        words[2 * index + 1] = high;
        column.rowCount = row + 1;
        return true;
      }
      case INTEGER:
        if (high !== low >> 31) break;
        if (index >= values.capacity) values.reserve(index + 1);
        values.values[index] = low;
        column.rowCount = row + 1;
        return true;
      case DOUBLE: {
        const number = this.wordsToNumber();
        if (!Number.isSafeInteger(number) && !isExactBigintDouble(this.wordsToBigint())) break;
        if (index >= values.capacity) values.reserve(index + 1);
        values.values[index] = number;
        column.rowCount = row + 1;
        return true;
      }
      case TIMESTAMP: {
        const number = this.wordsToNumber();
        if ((values as TimestampValues).form !== "EPOCH_MS" || !(Math.abs(number) <= 8.64e15)) break;
        if (index >= values.capacity) values.reserve(index + 1);
        values.values[index] = number;
        column.rowCount = row + 1;
        return true;
      }
    }
    return this.#appendToken(column, row, String(this.wordsToBigint()));
  }

  #appendDouble(column: ColumnBuilder, row: number, value: number): boolean {
    const index = column.valueCount;
    if (column.kind === DOUBLE && value - value === 0) {
      const values = column.values as DoubleValues;
      if (index >= values.capacity) values.reserve(index + 1);
      values.values[index] = value;
      column.rowCount = row + 1;
      return true;
    }
    if (value - value === 0) return this.#appendToken(column, row, Object.is(value, -0) ? "-0" : String(value));
    return this.#appendToken(column, row, `"${value}"`); // JSON has no such numbers
  }

  #appendTimestamp(column: ColumnBuilder, row: number, op: Op): boolean {
    const index = column.valueCount;
    const start = this.at;
    const values = column.values as TimestampValues;
    const isMillis = op.code === ops.TIMESTAMP_MILLIS;
    this.readWords();
    let value = this.wordsToNumber();
    if (values.form === "EPOCH_MS" && !isMillis) {
      value = value % 1000 === 0 ? value / 1000 : NaN;
    } else if (values.form !== "EPOCH_MS" && values.form !== (isMillis ? "ISO_MS" : "ISO_US")) {
      value = NaN;
    }
    const unit = isMillis || values.form === "EPOCH_MS" ? 1 : 1000;
    if (!(Number.isSafeInteger(value) && value >= MIN_MS * unit && value < END_MS * unit)) {
      this.at = start;
      return this.#appendAsText(column, row, op);
    }
    if (index >= values.capacity) values.reserve(index + 1);
    values.values[index] = value;
    column.rowCount = row + 1;
    return true;
  }

  #appendDate(column: ColumnBuilder, row: number, op: Op): boolean {
    const index = column.valueCount;
    const start = this.at;
    const days = this.readInt();
    if (days < MIN_DAY || days > MAX_DAY) {
      this.at = start;
      return this.#appendAsText(column, row, op);
    }
    const values = column.values as DateValues;
    if (index >= values.capacity) values.reserve(index + 1);
    values.values[index] = days;
    column.rowCount = row + 1;
    return true;
  }

  #appendDecimal(column: ColumnBuilder, row: number, op: Op): boolean {
    const index = column.valueCount;
    const start = this.at;
    const length = op.code === ops.DECIMAL ? this.readLength("a decimal") : op.size;
    const isSmall = length <= SMALL_DECIMAL_BYTE_LENGTH && op.scale <= MAX_POWER;
    if (column.kind !== DOUBLE || !isSmall || op.kind !== DOUBLE) {
      this.at = start;
      return this.#appendAsText(column, row, op);
    }
    const from = this.take(length, "a decimal");
    let unscaled = 0;
    for (let i = from; i < from + length; i++) unscaled = unscaled * 256 + this.bytes[i];
    if (length > 0 && this.bytes[from] >= 0x80) unscaled -= 2 ** (8 * length);
    const values = column.values as DoubleValues;
    if (index >= values.capacity) values.reserve(index + 1);
    values.values[index] = unscaled / 10 ** op.scale;
    column.rowCount = row + 1;
    return true;
  }

  /** An array or map of scalars into a column of that kind. */
  #appendItems(column: ColumnBuilder, row: number, op: Op): boolean {
    const index = column.valueCount;
    const start = this.at;
    const values = column.values as ArrayValues | MapValues;
    values.reserve(index + 1);
    const first = values.offsets[index];
    values.truncateElements(first);
    if (values.elements.kind === UNTYPED) becomeKindOf(values.elements, op.inner!);
    this.enter();
    const isStored = this.#readItems(values, op);
    this.depth--;
    if (!isStored) {
      values.truncateElements(first);
      this.at = start;
      return this.#appendAsText(column, row, op);
    }
    values.offsets[index + 1] = values.elements.rowCount;
    column.rowCount = row + 1;
    return true;
  }

  #readItems(values: ArrayValues | MapValues, op: Op): boolean {
    const { elements } = values;
    const isMap = op.code === ops.MAP;
    const inner = op.inner!;
    const minByteLength = inner.minByteLength + (isMap ? 1 : 0);
    for (let count; (count = this.readBlockCount(minByteLength)) > 0;) {
      for (; count > 0; count--) {
        if (isMap) this.#appendKey((values as MapValues).keys);
        const index = elements.rowCount;
        if (!this.append(elements, index, inner)) return false;
        if (elements.rowCount === index) elements.appendNull(index);
      }
    }
    return true;
  }

  #appendKey(keys: ColumnBuilder): void {
    if (keys.kind === UNTYPED) keys.become(VARCHAR);
    this.#appendString(keys, keys.rowCount);
  }

  /** By way of the value's JSON text. */
  #appendAsText(column: ColumnBuilder, row: number, op: Op): boolean {
    this.out.length = 0;
    this.writeJson(op);
    const { bytes, length } = this.out;
    if (column.kind === JSON_TEXT) {
      this.#setText(column, row, bytes, length);
      return true;
    }
    return this.#tokens.append(this.table, column, { row, text: bytes.subarray(0, length) });
  }

  #appendToken(column: ColumnBuilder, row: number, text: string): boolean {
    this.out.length = 0;
    this.out.text(text);
    return this.appendOut(column, row);
  }

  /** Appends the JSON text in `out`. */
  protected appendOut(column: ColumnBuilder, row: number): boolean {
    return this.#tokens.append(this.table, column, { row, text: this.out.bytes.subarray(0, this.out.length) });
  }
}

/** Gives an UNTYPED column the kind that values of the op have. */
function becomeKindOf(column: ColumnBuilder, op: Op): void {
  const kind = column.isJson ? JSON_TEXT : op.kind;
  if (kind === UNTYPED) return;
  if (kind === INTEGER || kind === BIGINT || kind === DOUBLE) {
    if (column.numbersAreTimes && op.code === ops.WHOLE) column.become(TIMESTAMP, "EPOCH_MS");
    else column.become(Math.max(kind, column.numberKind) as kinds.Kind);
  } else if (kind === TIMESTAMP) {
    const inner = op.code === ops.OPTIONAL || op.code === ops.CONSTANT ? op.inner! : op;
    const form = inner.code === ops.TIMESTAMP_MICROS ? "ISO_US" : "ISO_MS";
    column.become(TIMESTAMP, column.numbersAreTimes && form === "ISO_MS" ? "EPOCH_MS" : form);
  } else {
    column.become(kind);
  }
}
