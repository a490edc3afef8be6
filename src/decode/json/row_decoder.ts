import type { ColumnBuilder } from "../../columnar/column_builder.ts";
import type { TimestampValues } from "../../columnar/fixed_values.ts";
import { BIGINT, DOUBLE, INTEGER, TIMESTAMP, UNTYPED, VARCHAR } from "../../columnar/kinds.ts";
import type { TableSet } from "../../columnar/table_set.ts";
import type { VarcharValues } from "../../columnar/varchar_values.ts";
import { BACKSLASH, COMMA, LEFT_BRACE, LOWER_N, MINUS, NINE, QUOTE, RIGHT_BRACE, SPACE, ZERO } from "../bytes.ts";
import { JsonColumnWriter } from "./column_writer.ts";
import {
  type Field,
  type FieldMap,
  ROLE_COLLECTION,
  ROLE_DATA,
  ROLE_PROJECT,
  ROLE_PROPERTIES,
  ROLE_TIME,
  ROLE_USER,
} from "./fields.ts";
import type { JsonTable } from "./table.ts";
import { hasArrivalColumn } from "../metadata_columns.ts";
import { MAX_FIELD_NAME_LENGTH } from "../../records/names.ts";
import type { DecodeConfig } from "../options.ts";
import { epochMsOf, parseInstant } from "../times.ts";

/** Spellings remembered for a table, as many times the columns that it may have. */
const SPELLINGS_FACTOR = 2;
/** Longer strings are no numbers that a type holds. */
const MAX_NUMBER_TEXT = 40;

const ENVELOPE_ROLES: ReadonlyMap<string, number> = new Map([
  ["project", ROLE_PROJECT],
  ["collection", ROLE_COLLECTION],
  ["properties", ROLE_PROPERTIES],
  ["data", ROLE_DATA],
]);

/** Decodes an object's fields into the open row of a table. */
export class JsonRowDecoder extends JsonColumnWriter {
  /** Epoch ms of the row's time field. */
  eventTime = NaN;
  /** Roles of the fields met that, at the top of a record, may mean another layout; of properties and data, if objects. */
  protected envelopeRoles = 0;
  /** Where the first of the values of such a data field is. */
  protected dataAt = 0;
  protected readonly config: DecodeConfig;
  protected readonly tables: TableSet;
  /** Position after the colon of the field that was looked for last. */
  #valueAt = 0;
  readonly #lowerTimeField: string;
  readonly #lowerUserField: string;
  /** Fields of FABRIC records that make no column. */
  readonly #ignoredInFabric: Set<string>;

  constructor(config: DecodeConfig, tables: TableSet) {
    super();
    this.config = config;
    this.tables = tables;
    this.#lowerTimeField = config.timeField.toLowerCase();
    this.#lowerUserField = config.userField.toLowerCase();
    this.#ignoredInFabric = new Set(["_project", "_collection"]);
    if (hasArrivalColumn(config)) this.#ignoredInFabric.add(config.arrivalField.toLowerCase());
  }

  /**
   * Decodes the object at `pos` into a new row of the table and returns the position after it. `pos` is its brace, or a
   * comma between its fields, when those before it make no columns. Fields are expected in
   * the order of the record before: then finding a column is one comparison of its name's bytes.
   */
  protected decodeRow(table: JsonTable, map: FieldMap, pos: number): number {
    const builder = table.builder;
    table.refresh();
    builder.beginRow();
    this.table = builder;
    const { bytes, view, end } = this;
    const row = builder.rowCount;
    let previous = map.first;
    const isBrace = bytes[pos] === LEFT_BRACE;
    pos++;
    if (bytes[pos] !== QUOTE) {
      pos = this.skipSpace(pos);
      if (isBrace && bytes[pos] === RIGHT_BRACE) return pos + 1;
    }
    for (;;) {
      let field = previous.next;
      if (field !== null && field.matches(view, pos, end)) pos += field.length;
      else {
        field = this.#findField(table, map, previous, pos);
        pos = this.#valueAt;
      }
      previous = field;
      if (bytes[pos] <= SPACE) pos = this.skipSpace(pos);
      const column = field.column;
      if (column === null) pos = this.skipValue(pos);
      else if (field.role === 0) pos = this.appendValue(column, row, pos);
      else if (field.role === ROLE_TIME) pos = this.#appendTime(column, row, pos);
      else pos = this.#appendSpecial(field, column, pos);
      let c = bytes[pos];
      if (c <= SPACE) {
        pos = this.skipSpace(pos);
        c = bytes[pos];
      }
      if (c !== COMMA) {
        if (c === RIGHT_BRACE) return pos + 1;
        return this.fail(pos, "',' or '}'");
      }
      pos++;
      if (bytes[pos] !== QUOTE) pos = this.skipSpace(pos);
    }
  }

  /**
   * The field whose name stands at `pos`, when it isn't the expected one, and leaves the position after its colon in
   * `#valueAt`: the one after the expected one, or any other by its bytes.
   */
  #findField(table: JsonTable, map: FieldMap, previous: Field, pos: number): Field {
    const skipped = previous.next?.next;
    if (skipped?.matches(this.view, pos, this.end)) {
      this.#valueAt = pos + skipped.length;
      return skipped;
    }
    if (this.bytes[pos] !== QUOTE) return this.fail(pos, "a field name in quotes");
    const end = this.skipString(pos + 1);
    const field = map.find(this.view, pos, end) ?? this.#addField(table, map, [pos, end]);
    previous.next = field;
    this.#valueAt = this.skipColon(end);
    return field;
  }

  #addField(table: JsonTable, map: FieldMap, span: readonly [number, number]): Field {
    const [pos, end] = span;
    let name: string = JSON.parse(this.utf8Text(pos, end));
    if (name.length > MAX_FIELD_NAME_LENGTH) {
      this.fail(pos, `a field name of at most ${MAX_FIELD_NAME_LENGTH} characters`, "bad-name");
    }
    if (!name.isWellFormed()) this.fail(pos, "a field name without half a surrogate pair", "bad-name");
    const isFabric = map.isLower;
    if (isFabric) name = name.toLowerCase();
    const isIgnored = isFabric && this.#ignoredInFabric.has(name);
    const column = isIgnored ? null : table.builder.column(name);
    const role = isIgnored ? 0 : this.#roleOf(name, isFabric);
    if ((role & ROLE_TIME) !== 0) table.builder.timeColumn ??= column;
    if ((role & ROLE_USER) !== 0) table.builder.userColumn ??= column;
    if (map.size >= SPELLINGS_FACTOR * this.config.maxColumns) map.clear();
    return map.add(this.view, span, { column, role });
  }

  #roleOf(name: string, isFabric: boolean): number {
    let role = ENVELOPE_ROLES.get(name) ?? 0;
    if (name === this.config.timeField || (isFabric && name === this.#lowerTimeField)) role |= ROLE_TIME;
    if (name === this.config.userField || (isFabric && name === this.#lowerUserField)) role |= ROLE_USER;
    return role;
  }

  #appendSpecial({ role }: Field, column: ColumnBuilder, pos: number): number {
    const row = this.table!.rowCount;
    const isObject = this.bytes[pos] === LEFT_BRACE;
    if ((role & ROLE_DATA) !== 0 && isObject && column.rowCount <= row) this.dataAt = pos;
    if (isObject || (role & (ROLE_PROJECT | ROLE_COLLECTION)) !== 0) this.envelopeRoles |= role;
    if ((role & ROLE_TIME) !== 0) return this.#appendTime(column, row, pos);
    if ((role & ROLE_USER) !== 0) return this.#appendUser(column, row, pos);
    return this.appendValue(column, row, pos);
  }

  /** The event time: kept as it is in its column, and as epoch ms beside the row. */
  #appendTime(column: ColumnBuilder, row: number, pos: number): number {
    if (column.rowCount > row) return this.skipValue(pos);
    const next = this.appendValue(column, row, pos);
    if (column.kind === TIMESTAMP && this.bytes[pos] !== LOWER_N) {
      const { values, form } = column.values as TimestampValues;
      const value = values[column.valueCount - 1];
      this.eventTime = form === "ISO_US" ? Math.floor(value / 1000) : value;
    } else {
      this.eventTime = this.#instantOf(pos, next);
    }
    return next;
  }

  /** The instant that a JSON value [pos, end) means: a number in the unit of the config, or text in ISO 8601. */
  #instantOf(pos: number, end: number): number {
    if (this.#isNumber(pos)) {
      this.readNumber(pos);
      return epochMsOf(this.numberValue, this.config.timeUnit);
    }
    if (this.bytes[pos] !== QUOTE) return NaN;
    for (let i = pos; i < end; i++) {
      if (this.bytes[i] !== BACKSLASH) continue;
      const text = new TextEncoder().encode(JSON.parse(this.utf8Text(pos, end)));
      return parseInstant(text, 0, text.length);
    }
    return parseInstant(this.bytes, pos + 1, end - 1);
  }

  #isNumber(pos: number): boolean {
    const c = this.bytes[pos];
    return c === MINUS || (c >= ZERO && c <= NINE);
  }

  /** The user, in the type that the config asks for where that loses nothing. */
  #appendUser(column: ColumnBuilder, row: number, pos: number): number {
    if (column.rowCount > row) return this.skipValue(pos);
    const { userType } = this.config;
    if (userType === "STRING") {
      return this.#isNumber(pos) ? this.#appendNumberAsText(column, row, pos) : this.appendValue(column, row, pos);
    }
    const isNumeric = column.kind === UNTYPED || column.kind === INTEGER || column.kind === BIGINT ||
      column.kind === DOUBLE;
    const end = isNumeric && this.bytes[pos] === QUOTE ? this.#numberTextEnd(pos + 1, userType) : -1;
    if (end < 0) return this.appendValue(column, row, pos);
    this.appendValue(column, row, pos + 1);
    return end + 1;
  }

  #appendNumberAsText(column: ColumnBuilder, row: number, pos: number): number {
    const end = this.skipNumber(pos);
    if (column.kind === VARCHAR && column.rowCount === row) {
      (column.values as VarcharValues).set(column.place(row), this.bytes, pos, end);
      column.rowCount = row + 1;
      return end;
    }
    if (column.ordinal < 0) this.activate(column, pos);
    const quoted = new Uint8Array(end - pos + 2).fill(QUOTE);
    quoted.set(this.bytes.subarray(pos, end), 1);
    this.appendToken(column, row, quoted);
    return end;
  }

  /** Where the quote stands after text that is exactly what a number of this type is written as; -1 when it isn't. */
  #numberTextEnd(pos: number, type: "LONG" | "INTEGER" | "DOUBLE"): number {
    const longest = Math.min(pos + MAX_NUMBER_TEXT, this.end);
    let end = pos;
    while (end < longest && this.bytes[end] !== QUOTE && this.bytes[end] < 0x80) end++;
    if (this.bytes[end] !== QUOTE) return -1;
    const text = this.asciiText(pos, end);
    if (type === "DOUBLE") {
      const value = Number(text);
      return Number.isFinite(value) && String(value) === text ? end : -1;
    }
    if (!/^(?:0|-?[1-9]\d{0,18})$/.test(text)) return -1;
    return BigInt.asIntN(type === "LONG" ? 64 : 32, BigInt(text)) === BigInt(text) ? end : -1;
  }
}
