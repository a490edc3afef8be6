/** Default values of a reader's schema (Avro 1.12, "field default values") as the bytes of an encoded value. */
import { ByteWriter } from "../columnar/byte_writer.ts";
import { type RecordSchema, type Schema, SchemaError } from "./schema.ts";

/** @throws SchemaError when the default isn't of its type. `where` names the field. */
export function encodeDefault(schema: Schema, value: unknown, where: string): Uint8Array {
  const out = new ByteWriter();
  encode(out, schema, value, where);
  return out.bytes.slice(0, out.length);
}

/**
 * Tries the defaults of all fields, those that no record may ever need, too.
 *
 * @throws SchemaError
 */
export function checkDefaults(schema: Schema, seen: Set<Schema> = new Set()): void {
  if (seen.has(schema)) return;
  seen.add(schema);
  if (schema.type === "array") return checkDefaults(schema.items, seen);
  if (schema.type === "map") return checkDefaults(schema.values, seen);
  if (schema.type === "union") return schema.branches.forEach((branch) => checkDefaults(branch, seen));
  if (schema.type !== "record") return;
  for (const { name, schema: type, default: value } of schema.fields) {
    if (value !== undefined) encodeDefault(type, value, `${schema.name}.${name}`);
    checkDefaults(type, seen);
  }
}

function encode(out: ByteWriter, schema: Schema, value: unknown, where: string): void {
  const check = (isRight: boolean): void => {
    if (!isRight) throw new SchemaError(`the default of ${where} is not a value of the type ${schema.type}`);
  };
  switch (schema.type) {
    case "null":
      return check(value === null);
    case "boolean":
      check(typeof value === "boolean");
      return out.byte(value === true ? 1 : 0);
    case "int":
    case "long": {
      check(typeof value === "bigint" || Number.isSafeInteger(value));
      const whole = BigInt(value as number | bigint);
      check(whole === BigInt.asIntN(schema.type === "int" ? 32 : 64, whole));
      return writeLong(out, whole);
    }
    case "float":
    case "double":
      return encodeFloat(out, schema.type, numberOf(value, check));
    case "string":
      check(typeof value === "string");
      return writeBytes(out, new TextEncoder().encode(value as string));
    case "bytes":
      return writeBytes(out, latin1(value, check));
    case "fixed": {
      const bytes = latin1(value, check);
      check(bytes.length === schema.size);
      return out.copy(bytes, 0, bytes.length);
    }
    case "enum": {
      const index = schema.symbols.indexOf(value as string);
      check(index >= 0);
      return writeLong(out, BigInt(index));
    }
    case "union":
      return encodeBranch(out, schema.branches, value, where);
    case "array": {
      check(Array.isArray(value));
      const items = value as unknown[];
      if (items.length > 0) writeLong(out, BigInt(items.length));
      for (const item of items) encode(out, schema.items, item, where);
      return out.byte(0);
    }
    case "map": {
      const entries = Object.entries(objectOf(value, check));
      if (entries.length > 0) writeLong(out, BigInt(entries.length));
      for (const [key, item] of entries) {
        writeBytes(out, new TextEncoder().encode(key));
        encode(out, schema.values, item, where);
      }
      return out.byte(0);
    }
    case "record":
      return encodeRecord(out, schema, objectOf(value, check), where);
  }
}

/** Of the first branch that takes it: the first one by the specification up to 1.11, any since 1.12. */
function encodeBranch(out: ByteWriter, branches: readonly Schema[], value: unknown, where: string): void {
  for (const [index, branch] of branches.entries()) {
    const start = out.length;
    try {
      writeLong(out, BigInt(index));
      return encode(out, branch, value, where);
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error;
      out.length = start;
    }
  }
  throw new SchemaError(`the default of ${where} is not a value of any of the union's types`);
}

function encodeRecord(
  out: ByteWriter,
  { name, fields }: RecordSchema,
  value: Readonly<Record<string, unknown>>,
  where: string,
): void {
  for (const field of fields) {
    const given = Object.hasOwn(value, field.name) ? value[field.name] : field.default;
    if (given === undefined) {
      throw new SchemaError(`the default of ${where} lacks the field "${field.name}" of ${name}`);
    }
    encode(out, field.schema, given, where);
  }
}

function encodeFloat(out: ByteWriter, type: "float" | "double", value: number): void {
  const bytes = new Uint8Array(type === "float" ? 4 : 8);
  const view = new DataView(bytes.buffer);
  if (type === "float") view.setFloat32(0, value, true);
  else view.setFloat64(0, value, true);
  out.copy(bytes, 0, bytes.length);
}

function numberOf(value: unknown, check: (isRight: boolean) => void): number {
  if (value === "NaN" || value === "Infinity" || value === "-Infinity") return Number(value);
  check(typeof value === "number" || typeof value === "bigint");
  return Number(value);
}

/** Bytes are written as the characters U+0000 to U+00FF. */
function latin1(value: unknown, check: (isRight: boolean) => void): Uint8Array {
  check(typeof value === "string");
  // deno-lint-ignore no-control-regex -- it is about bytes
  check(/^[\u0000-\u00ff]*$/.test(value as string));
  return Uint8Array.from(value as string, (character) => character.charCodeAt(0));
}

function objectOf(value: unknown, check: (isRight: boolean) => void): Readonly<Record<string, unknown>> {
  check(typeof value === "object" && value !== null && !Array.isArray(value));
  return value as Readonly<Record<string, unknown>>;
}

function writeLong(out: ByteWriter, value: bigint): void {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  for (; rest > 0x7fn; rest >>= 7n) out.byte(Number(rest & 0x7fn) | 0x80);
  out.byte(Number(rest));
}

function writeBytes(out: ByteWriter, bytes: Uint8Array): void {
  writeLong(out, BigInt(bytes.length));
  out.copy(bytes, 0, bytes.length);
}
