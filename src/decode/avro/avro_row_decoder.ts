import type { ColumnBuilder } from "../../columnar/column_builder.ts";
import { DOUBLE, UNTYPED, VARCHAR } from "../../columnar/kinds.ts";
import type { DecodeConfig } from "../options.ts";
import { epochMsOf, parseInstant } from "../times.ts";
import { AvroFastWriter } from "./avro_fast_writer.ts";
import { type AvroTable, ROLE_CONVERT, ROLE_TIME, ROLE_USER } from "./avro_table.ts";
import * as ops from "../../avro/op.ts";
import type { Op } from "../../avro/op.ts";

/** Longer strings are no numbers that a type holds. */
const MAX_NUMBER_BYTE_LENGTH = 40;

/** Decodes records into the open rows of tables. */
export class AvroRowDecoder extends AvroFastWriter {
  protected readonly config: DecodeConfig;
  /** Paths to a time and a user that are inside of nested records; null when the fields of those names count. */
  readonly #timePath: readonly string[] | null;
  readonly #userPath: readonly string[] | null;

  constructor(config: DecodeConfig) {
    super();
    this.config = config;
    this.#timePath = config.avroTimeField?.split(".") ?? null;
    this.#userPath = config.avroUserField?.split(".") ?? null;
  }

  /** What the fields of a record mean, by step. */
  protected rolesOf(op: Op): Uint8Array {
    const { timeField, userField, userType } = this.config;
    return Uint8Array.from(op.steps, ({ name, target, op }) => {
      if (target < 0) return 0;
      const isTime = this.#timePath === null && name === timeField;
      const isUser = this.#userPath === null && name === userField;
      const value = op.code === ops.OPTIONAL ? op.inner! : op;
      const converts = isUser && !(value.code === ops.STRING && userType === "STRING");
      return (isTime ? ROLE_TIME : 0) | (isUser ? ROLE_USER : 0) | (converts ? ROLE_CONVERT : 0);
    });
  }

  /** Decodes the record at `at` into a new row. `mayEndEarly`: bytes may be missing from any field on, which are null then. */
  protected decodeRow(table: AvroTable, mayEndEarly: boolean): void {
    const { builder, op } = table;
    builder.beginRow();
    this.table = builder;
    table.refresh();
    const row = builder.rowCount;
    if (this.#timePath !== null || this.#userPath !== null) this.#readPaths(table, row);
    const { steps, wireStepCount } = op;
    for (let i = 0; i < steps.length; i++) {
      if (mayEndEarly && i < wireStepCount && this.at === this.end) continue;
      if (!mayEndEarly) i = this.appendCommon(table, i, row);
      if (i < steps.length) this.#appendOther(table, i, row);
    }
  }

  /** A field for which `appendCommon` has no short way. */
  #appendOther(table: AvroTable, index: number, row: number): void {
    const { op, target } = table.op.steps[index];
    if (target < 0) this.skip(op);
    else if (table.roles[index] !== 0) this.#appendSpecial(table, index, row);
    else this.#appendPlain(table.columns[index] ?? table.column(index), row, op);
  }

  #appendPlain(column: ColumnBuilder, row: number, op: Op): void {
    if (column.rowCount > row) this.skip(op); // the user came there by its path
    else this.appendField(column, row, op);
  }

  #appendSpecial(table: AvroTable, index: number, row: number): void {
    const column = table.columns[index] ?? table.column(index);
    const { op } = table.op.steps[index];
    const start = this.at;
    const role = table.roles[index];
    if ((role & ROLE_USER) !== 0) this.#appendUser(column, row, op);
    else this.#appendPlain(column, row, op);
    if ((role & ROLE_TIME) === 0) return;
    const end = this.at;
    if (op.code === ops.CONSTANT) {
      this.eventTime = this.withConstant(op, () => this.#instantOf(op.inner!));
    } else {
      this.at = start;
      this.eventTime = this.#instantOf(op);
    }
    this.at = end;
  }

  /** The time and the user that stand inside of nested records. */
  #readPaths(table: AvroTable, row: number): void {
    const start = this.at;
    const time = this.#timePath === null ? null : this.locate(table.op, this.#timePath);
    if (time !== null) this.eventTime = this.#instantOf(time);
    this.at = start;
    const user = this.#userPath === null ? null : this.locate(table.op, this.#userPath);
    if (user !== null) {
      const column = table.builder.column(this.config.userField);
      table.builder.userColumn ??= column;
      this.#appendUser(column, row, user);
    }
    this.at = start;
  }

  /**
   * Moves to the value at the end of a path of field names from the record at `at`. Null when there is none, or it is
   * null itself.
   */
  protected locate(op: Op, path: readonly string[]): Op | null {
    let found = op;
    for (const name of path) {
      if (found.code !== ops.RECORD) return null;
      const step = this.#moveTo(found, name);
      if (step === null) return null;
      found = this.#unwrap(step);
    }
    return found.code === ops.NULL ? null : found;
  }

  #moveTo(op: Op, name: string): Op | null {
    for (const step of op.steps) {
      if (step.op.code === ops.CONSTANT) continue;
      if (step.target >= 0 && step.name === name) return step.op;
      this.skip(step.op);
    }
    return null;
  }

  /** The type of the value at `at`, once it is known which of a union it is. */
  #unwrap(op: Op): Op {
    let value = op;
    for (;;) {
      if (value.code === ops.OPTIONAL) {
        if (!this.isPresent(value)) return NO_VALUE;
        value = value.inner!;
      } else if (value.code === ops.UNION) value = this.readBranch(value);
      else return value;
    }
  }

  /** Reads the instant that a value means: numbers are in the unit of the config unless the type says otherwise. NaN when it is none. */
  #instantOf(op: Op): number {
    const value = this.#unwrap(op);
    switch (value.code) {
      case ops.WHOLE:
      case ops.TIMESTAMP_MILLIS:
      case ops.TIMESTAMP_MICROS:
      case ops.TIMESTAMP_TEXT:
      case ops.LOCAL_TIMESTAMP: {
        this.readWords();
        if (value.code === ops.WHOLE) return epochMsOf(this.wordsToNumber(), this.config.timeUnit);
        return epochMsOf(this.wordsToNumber() / 10 ** (value.scale - 3), "ms");
      }
      case ops.FLOAT:
        return epochMsOf(this.readFloat(), this.config.timeUnit);
      case ops.DOUBLE:
        return epochMsOf(this.readDouble(), this.config.timeUnit);
      case ops.DATE:
        return this.readInt() * 86_400_000;
      case ops.STRING: {
        const length = this.readLength("a string");
        const from = this.take(length, "a string");
        return parseInstant(this.bytes, from, from + length);
      }
      default:
        return NaN;
    }
  }

  /** The user, in the type that the config asks for where that loses nothing. */
  #appendUser(column: ColumnBuilder, row: number, op: Op): void {
    if (column.rowCount > row) return this.skip(op);
    const value = op.code === ops.CONSTANT ? op : this.#unwrap(op);
    const { userType } = this.config;
    if (value.code === ops.WHOLE && userType === "STRING") return this.#appendNumberAsText(column, row, value);
    if (value.code === ops.STRING && userType !== "STRING" && column.kind !== VARCHAR) {
      return this.#appendTextAsNumber(column, row, value);
    }
    this.appendField(column, row, value);
  }

  #appendNumberAsText(column: ColumnBuilder, row: number, op: Op): void {
    this.out.length = 0;
    this.out.text('"');
    this.writeText(op);
    this.out.text('"');
    if (column.ordinal < 0) this.activate(column);
    if (column.kind === UNTYPED) column.become(VARCHAR);
    this.appendOut(column, row);
  }

  #appendTextAsNumber(column: ColumnBuilder, row: number, op: Op): void {
    const start = this.at;
    const length = this.readLength("a string");
    const from = this.take(length, "a string");
    const text = length <= MAX_NUMBER_BYTE_LENGTH ? ascii.decode(this.bytes.subarray(from, from + length)) : "";
    if (!isNumberText(text, this.config.userType)) {
      this.at = start;
      return this.appendField(column, row, op);
    }
    this.out.length = 0;
    this.out.text(text);
    if (column.ordinal < 0) this.activate(column);
    if (column.kind === UNTYPED && this.config.userType === "DOUBLE") column.become(DOUBLE);
    this.appendOut(column, row);
  }
}

const NO_VALUE = new ops.Op(ops.NULL, UNTYPED);
const ascii = new TextDecoder("latin1");

/** Whether the text is exactly what a number of this type is written as. */
function isNumberText(text: string, type: DecodeConfig["userType"]): boolean {
  if (type === "DOUBLE") return text !== "" && Number.isFinite(Number(text)) && String(Number(text)) === text;
  if (!/^(?:0|-?[1-9]\d{0,18})$/.test(text)) return false;
  return BigInt.asIntN(type === "LONG" ? 64 : 32, BigInt(text)) === BigInt(text);
}
