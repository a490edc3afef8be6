/** Compiles schemas: a writer's alone, or seen through a reader's (Avro 1.12, "Schema Resolution"). */
import * as kinds from "../columnar/kinds.ts";
import type { Kind } from "../columnar/kinds.ts";
import { encodeDefault } from "./encode_default.ts";
import * as ops from "./op.ts";
import { Op, type Step } from "./op.ts";
import {
  type EnumSchema,
  type FieldSchema,
  type Logical,
  type NamedSchema,
  type PlainLogicalName,
  type RecordSchema,
  type Schema,
  SchemaError,
  shortName,
  type UnionSchema,
} from "./schema.ts";

/** Every decimal of so many digits is exact as a double. */
const DOUBLE_DIGITS = 15;
/** Every whole number of so many digits fits 64 bits. */
const BIGINT_DIGITS = 18;

/** What dates and times become, and the decimals of their seconds. */
const TIMES: Readonly<Record<Exclude<PlainLogicalName, "uuid" | "duration">, [ops.Code, Kind, number]>> = {
  "date": [ops.DATE, kinds.DATE, 0],
  "time-millis": [ops.TIME, kinds.VARCHAR, 3],
  "time-micros": [ops.TIME, kinds.VARCHAR, 6],
  "timestamp-millis": [ops.TIMESTAMP_MILLIS, kinds.TIMESTAMP, 3],
  "timestamp-micros": [ops.TIMESTAMP_MICROS, kinds.TIMESTAMP, 6],
  "timestamp-nanos": [ops.TIMESTAMP_TEXT, kinds.VARCHAR, 9],
  "local-timestamp-millis": [ops.LOCAL_TIMESTAMP, kinds.VARCHAR, 3],
  "local-timestamp-micros": [ops.LOCAL_TIMESTAMP, kinds.VARCHAR, 6],
  "local-timestamp-nanos": [ops.LOCAL_TIMESTAMP, kinds.VARCHAR, 9],
};

const utf8 = new TextEncoder();

/**
 * @param reader the schema to see records through; null for the writer's own.
 * @throws SchemaError when nothing that the writer writes could be read.
 */
export function compileSchema(writer: Schema, reader: Schema | null): Op {
  const op = new Compiler().compile(writer, reader);
  if (op.code === ops.INCOMPATIBLE) throw new SchemaError(op.name);
  return op;
}

class Compiler {
  /** Records by writer's and reader's schema, since they may contain themselves. */
  readonly #records = new Map<RecordSchema, Map<RecordSchema | null, Op>>();

  compile(writer: Schema, reader: Schema | null): Op {
    if (writer.type === "union") return this.#union(writer, reader);
    if (reader?.type === "union") {
      const branch = reader.branches.find((branch) => matches(writer, branch));
      return branch === undefined ? incompatible(writer, reader) : this.compile(writer, branch);
    }
    if (reader !== null && !matches(writer, reader)) return incompatible(writer, reader);
    switch (writer.type) {
      case "record":
        return this.#record(writer, reader as RecordSchema | null);
      case "array": {
        const items = this.compile(writer.items, reader === null ? null : (reader as typeof writer).items);
        return nested(ops.ARRAY, kinds.ARRAY, items);
      }
      case "map": {
        const values = this.compile(writer.values, reader === null ? null : (reader as typeof writer).values);
        return nested(ops.MAP, kinds.MAP, values);
      }
      case "enum":
        return enumOp(writer, reader as EnumSchema | null);
      default:
        return scalarOp(writer, reader);
    }
  }

  #union({ branches }: UnionSchema, reader: Schema | null): Op {
    const compiled = branches.map((branch) => this.compile(branch, reader));
    if (compiled.every(({ code }) => code === ops.INCOMPATIBLE)) return compiled[0];
    const nullIndex = branches.findIndex(({ type }) => type === "null");
    if (branches.length === 2 && nullIndex >= 0 && compiled[nullIndex].code === ops.NULL) {
      const inner = compiled[1 - nullIndex];
      const op = new Op(ops.OPTIONAL, inner.kind);
      op.inner = inner;
      op.nullByte = 2 * nullIndex;
      op.valueByte = 2 - op.nullByte;
      return op;
    }
    const op = new Op(ops.UNION, commonKind(compiled));
    op.branches = compiled;
    return op;
  }

  #record(writer: RecordSchema, reader: RecordSchema | null): Op {
    let known = this.#records.get(writer);
    if (known === undefined) this.#records.set(writer, known = new Map());
    const compiled = known.get(reader);
    if (compiled !== undefined) return compiled;
    const op = new Op(ops.RECORD, kinds.JSON_TEXT);
    op.name = (reader ?? writer).name;
    known.set(reader, op);
    const steps = reader === null ? this.#ownSteps(writer) : this.#resolvedSteps(writer, reader);
    if (typeof steps === "string") {
      const broken = new Op(ops.INCOMPATIBLE, kinds.JSON_TEXT);
      broken.name = steps;
      known.set(reader, broken);
      return broken;
    }
    op.steps = steps;
    op.wireStepCount = writer.fields.length;
    return op;
  }

  #ownSteps({ fields }: RecordSchema): Step[] {
    return fields.map(({ name, schema }, target) => stepOf(name, this.compile(schema, null), target));
  }

  /** What is wrong, when a field has no value that it could take. */
  #resolvedSteps(writer: RecordSchema, reader: RecordSchema): Step[] | string {
    const taken = new Set<FieldSchema>();
    const steps = writer.fields.map((field) => {
      const target = reader.fields.findIndex((candidate) => !taken.has(candidate) && isSameField(field, candidate));
      if (target < 0) return stepOf(field.name, this.compile(field.schema, null), -1);
      const found = reader.fields[target];
      taken.add(found);
      return stepOf(found.name, this.compile(field.schema, found.schema), target);
    });
    const broken = steps.find(({ op }) => op.code === ops.INCOMPATIBLE);
    if (broken !== undefined) return broken.op.name;
    for (const [target, field] of reader.fields.entries()) {
      if (taken.has(field)) continue;
      if (field.default === undefined) {
        return `the reader's field "${field.name}" of ${reader.name} has no default, and the writer doesn't have it`;
      }
      const inner = this.compile(field.schema, null);
      const op = new Op(ops.CONSTANT, inner.kind);
      op.inner = inner;
      op.bytes = encodeDefault(field.schema, field.default, `${reader.name}.${field.name}`);
      steps.push(stepOf(field.name, op, target));
    }
    return steps;
  }
}

function stepOf(name: string, op: Op, target: number): Step {
  return { name, key: utf8.encode(`${JSON.stringify(name)}:`), op, target };
}

function isSameField(writer: FieldSchema, reader: FieldSchema): boolean {
  return reader.name === writer.name || reader.aliases.includes(writer.name);
}

/** Whether values of the writer's type can be read as the reader's, as far as the types themselves say. */
function matches(writer: Schema, reader: Schema): boolean {
  if (reader.type === "union") return reader.branches.some((branch) => matches(writer, branch));
  if (writer.type === "union") return writer.branches.some((branch) => matches(branch, reader));
  if (writer.type === reader.type) {
    if (writer.type === "fixed" && reader.type === "fixed" && writer.size !== reader.size) return false;
    return "name" in writer && "name" in reader ? isSameName(writer, reader) : true;
  }
  switch (writer.type) {
    case "int":
      return reader.type === "long" || reader.type === "float" || reader.type === "double";
    case "long":
      return reader.type === "float" || reader.type === "double";
    case "float":
      return reader.type === "double";
    case "string":
      return reader.type === "bytes";
    case "bytes":
      return reader.type === "string";
    default:
      return false;
  }
}

function isSameName(writer: NamedSchema, reader: NamedSchema): boolean {
  return shortName(writer.name) === shortName(reader.name) || reader.aliases.includes(writer.name) ||
    reader.aliases.some((alias) => !alias.includes(".") && alias === shortName(writer.name));
}

function incompatible(writer: Schema, reader: Schema): Op {
  const op = new Op(ops.INCOMPATIBLE, kinds.JSON_TEXT);
  op.name = `the writer's ${nameOf(writer)} can't be read as the reader's ${nameOf(reader)}`;
  return op;
}

function nameOf(schema: Schema): string {
  return "name" in schema ? schema.name : schema.type;
}

function nested(code: ops.Code, kind: Kind, inner: Op): Op {
  const isScalar = inner.kind !== kinds.JSON_TEXT && inner.kind !== kinds.ARRAY && inner.kind !== kinds.MAP;
  const op = new Op(code, isScalar ? kind : kinds.JSON_TEXT);
  op.inner = inner;
  return op;
}

function enumOp(writer: EnumSchema, reader: EnumSchema | null): Op {
  const op = new Op(ops.ENUM, kinds.VARCHAR);
  const symbolOf = (symbol: string) => {
    if (reader === null || reader.symbols.includes(symbol)) return utf8.encode(symbol.toWellFormed());
    return reader.default === null ? null : utf8.encode(reader.default);
  };
  op.symbols = writer.symbols.map(symbolOf);
  // deno-lint-ignore no-control-regex -- what JSON escapes
  op.isPlain = ![...writer.symbols, reader?.default ?? ""].some((symbol) => /["\\\u0000-\u001f]/.test(symbol));
  return op;
}

/** A type without types inside. What the bytes are is the writer's to say, what they mean both's. */
function scalarOp(writer: Exclude<Schema, { type: "union" }>, reader: Schema | null): Op {
  const logical = ("logical" in writer ? writer.logical : null) ??
    (reader !== null && "logical" in reader ? reader.logical : null);
  if (logical !== null) {
    const op = logicalOp(logical, writer);
    if (op !== null) return op;
  }
  const target = reader?.type ?? writer.type;
  switch (writer.type) {
    case "null":
      return new Op(ops.NULL, kinds.UNTYPED);
    case "boolean":
      return new Op(ops.BOOLEAN, kinds.BOOLEAN);
    case "int":
    case "long":
      return new Op(
        ops.WHOLE,
        target === "int" ? kinds.INTEGER : target === "long" ? kinds.BIGINT : kinds.DOUBLE,
      );
    case "float":
      return new Op(ops.FLOAT, kinds.DOUBLE);
    case "double":
      return new Op(ops.DOUBLE, kinds.DOUBLE);
    case "string":
      return new Op(target === "bytes" ? ops.BYTES : ops.STRING, kinds.VARCHAR);
    case "bytes":
      return new Op(target === "string" ? ops.STRING : ops.BYTES, kinds.VARCHAR);
    case "fixed":
      return sized(new Op(ops.FIXED, kinds.VARCHAR), writer.size);
    default:
      throw new SchemaError(`a ${writer.type} is no scalar type`);
  }
}

function logicalOp(logical: Logical, writer: Schema): Op | null {
  const size = writer.type === "fixed" ? writer.size : 0;
  switch (logical.name) {
    case "decimal": {
      const { precision, scale } = logical;
      const kind = scale === 0 && precision <= BIGINT_DIGITS
        ? kinds.BIGINT
        : precision <= DOUBLE_DIGITS
        ? kinds.DOUBLE
        : kinds.JSON_TEXT;
      if (writer.type !== "bytes" && writer.type !== "fixed") return null;
      return sized(new Op(writer.type === "fixed" ? ops.FIXED_DECIMAL : ops.DECIMAL, kind), size, scale);
    }
    case "uuid":
      return writer.type === "fixed" ? sized(new Op(ops.FIXED_UUID, kinds.VARCHAR), size) : null;
    case "duration":
      return writer.type === "fixed" ? sized(new Op(ops.DURATION, kinds.VARCHAR), size) : null;
  }
  if (writer.type !== "int" && writer.type !== "long") return null;
  const [code, kind, digits] = TIMES[logical.name];
  return sized(new Op(code, kind), 0, digits);
}

function sized(op: Op, size: number, scale = 0): Op {
  op.size = size;
  op.scale = scale;
  return op;
}

/** The kind of a column that holds values of all branches. */
function commonKind(branches: readonly Op[]): Kind {
  const counted = branches.filter(({ code }) => code !== ops.NULL && code !== ops.INCOMPATIBLE);
  const found = new Set(counted.map(({ kind }) => kind));
  const [only] = found;
  if (found.size === 1) return only === kinds.TIMESTAMP && branches.length > 1 ? kinds.VARCHAR : only;
  const all = [...found];
  if (all.every((kind) => kind === kinds.INTEGER || kind === kinds.BIGINT)) return kinds.BIGINT;
  if (all.every((kind) => kind === kinds.INTEGER || kind === kinds.DOUBLE)) return kinds.DOUBLE;
  const isText = (kind: Kind) => kind === kinds.VARCHAR || kind === kinds.DATE || kind === kinds.TIMESTAMP;
  return all.every(isText) ? kinds.VARCHAR : kinds.JSON_TEXT;
}
