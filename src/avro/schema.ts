/**
 * Avro's model: schemas (here), what they compile to, containers, fingerprints, how records name their schema. Decoding records to rows is in decode/avro.
 *
 * Avro schemas as trees (Avro 1.12, "Schema Declaration"): JSON text -> nodes whose names are resolved, so a schema that
 * refers to itself is a tree with a loop.
 *
 * Names of fields and symbols may be any text: registries hold schemas that were never checked, and their data is
 * readable all the same.
 */
import { MAX_FIELD_NAME_LENGTH } from "../records/names.ts";

/** Longer schema texts are refused. */
export const MAX_SCHEMA_BYTE_LENGTH = 4 * 1024 * 1024;
/** Schemas inside schemas. */
const MAX_SCHEMA_DEPTH = 128;
/** Digits of a decimal; more, and it is read as the bytes that it is made of. */
const MAX_DECIMAL_PRECISION = 4096;

/** What is wrong with a schema, and where in it. */
export class SchemaError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "SchemaError";
  }
}

export type PrimitiveName = "null" | "boolean" | "int" | "long" | "float" | "double" | "bytes" | "string";

/** A logical type that fits the type it annotates; others are ignored, as the specification wants. */
export type Logical =
  | { readonly name: "decimal"; readonly precision: number; readonly scale: number }
  | { readonly name: PlainLogicalName };

export type PlainLogicalName =
  | "uuid"
  | "date"
  | "time-millis"
  | "time-micros"
  | "timestamp-millis"
  | "timestamp-micros"
  | "timestamp-nanos"
  | "local-timestamp-millis"
  | "local-timestamp-micros"
  | "local-timestamp-nanos"
  | "duration";

export interface PrimitiveSchema {
  readonly type: PrimitiveName;
  readonly logical: Logical | null;
}

interface Named {
  /** With its namespace. */
  readonly name: string;
  /** With their namespaces. */
  readonly aliases: readonly string[];
}

export interface FixedSchema extends Named {
  readonly type: "fixed";
  readonly size: number;
  readonly logical: Logical | null;
}

export interface EnumSchema extends Named {
  readonly type: "enum";
  readonly symbols: readonly string[];
  /** What unknown symbols become when this is the reader's schema. */
  readonly default: string | null;
}

export interface FieldSchema {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly schema: Schema;
  /** As in the JSON, whole numbers beyond 2^53 as bigints; undefined when there is none. */
  readonly default: unknown;
}

export interface RecordSchema extends Named {
  readonly type: "record";
  readonly fields: readonly FieldSchema[];
}

export interface ArraySchema {
  readonly type: "array";
  readonly items: Schema;
}

export interface MapSchema {
  readonly type: "map";
  readonly values: Schema;
}

export interface UnionSchema {
  readonly type: "union";
  readonly branches: readonly Schema[];
}

export type NamedSchema = FixedSchema | EnumSchema | RecordSchema;
export type Schema = PrimitiveSchema | NamedSchema | ArraySchema | MapSchema | UnionSchema;

const PRIMITIVES: ReadonlySet<string> = new Set([
  "null",
  "boolean",
  "int",
  "long",
  "float",
  "double",
  "bytes",
  "string",
]);

/** What each logical type may annotate, besides decimal. */
const LOGICAL_BASES: Readonly<Record<PlainLogicalName, readonly string[]>> = {
  "uuid": ["string", "fixed"],
  "date": ["int"],
  "time-millis": ["int"],
  "time-micros": ["long"],
  "timestamp-millis": ["long"],
  "timestamp-micros": ["long"],
  "timestamp-nanos": ["long"],
  "local-timestamp-millis": ["long"],
  "local-timestamp-micros": ["long"],
  "local-timestamp-nanos": ["long"],
  "duration": ["fixed"],
};

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Reads a schema.
 *
 * @param references texts of schemas that it refers to by name, each after those it refers to itself.
 * @throws SchemaError
 */
export function parseSchema(text: string, references: readonly string[] = []): Schema {
  const parser = new SchemaParser();
  for (const reference of references) parser.parse(jsonOf(reference), "", 0);
  return parser.parse(jsonOf(text), "", 0);
}

function jsonOf(text: string): unknown {
  if (text.length > MAX_SCHEMA_BYTE_LENGTH) {
    throw new SchemaError(`the schema has more than ${MAX_SCHEMA_BYTE_LENGTH} characters`);
  }
  try {
    return JSON.parse(text, exactInteger);
  } catch (error) {
    // A bare name is how registries give primitive types; anything else isn't JSON.
    if (PRIMITIVES.has(text.trim())) return text.trim();
    throw new SchemaError(`the schema is not JSON: ${(error as Error).message}`);
  }
}

/** A whole number beyond 2^53, such as the default of a long, as a bigint: the number itself is another one. */
function exactInteger(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const source = context?.source ?? "";
  return typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

class SchemaParser {
  readonly #named = new Map<string, NamedSchema>();

  parse(json: unknown, namespace: string, depth: number): Schema {
    if (depth > MAX_SCHEMA_DEPTH) {
      throw new SchemaError(`the schema is nested more than ${MAX_SCHEMA_DEPTH} levels deep`);
    }
    if (typeof json === "string") return this.#byName(json, namespace);
    if (Array.isArray(json)) return this.#union(json, namespace, depth);
    if (typeof json !== "object" || json === null) throw new SchemaError(`${shown(json)} is no schema`);
    const object = json as JsonObject;
    const type = object.type;
    if (typeof type !== "string") {
      if (type === undefined) throw new SchemaError(`${shown(json)} has no type`);
      return this.parse(type, namespace, depth + 1);
    }
    switch (type) {
      case "record":
      case "error":
        return this.#record(object, namespace, depth);
      case "enum":
        return this.#enum(object, namespace);
      case "fixed":
        return this.#fixed(object, namespace);
      case "array":
        return { type, items: this.parse(required(object, "items"), namespace, depth + 1) };
      case "map":
        return { type, values: this.parse(required(object, "values"), namespace, depth + 1) };
    }
    if (PRIMITIVES.has(type)) return { type: type as PrimitiveName, logical: logicalOf(object, type, 0) };
    return this.#byName(type, namespace);
  }

  #byName(name: string, namespace: string): Schema {
    if (PRIMITIVES.has(name)) return { type: name as PrimitiveName, logical: null };
    const found = this.#named.get(fullName(name, namespace)) ?? this.#named.get(name);
    if (found === undefined) throw new SchemaError(`the type "${name}" is not defined before it is used`);
    return found;
  }

  #union(json: readonly unknown[], namespace: string, depth: number): Schema {
    const branches = json.map((branch) => this.parse(branch, namespace, depth + 1));
    if (branches.length === 0) throw new SchemaError("a union has no branches");
    if (branches.some(({ type }) => type === "union")) throw new SchemaError("a union has a union as a branch");
    return { type: "union", branches };
  }

  #record(object: JsonObject, namespace: string, depth: number): Schema {
    const { name, aliases, inner } = names(object, namespace);
    const fields: FieldSchema[] = [];
    const record: RecordSchema = { type: "record", name, aliases, fields };
    this.#define(record);
    const json = required(object, "fields");
    if (!Array.isArray(json)) throw new SchemaError(`the fields of ${name} are not an array`);
    const seen = new Set<string>();
    for (const field of json as unknown[]) {
      if (typeof field !== "object" || field === null) throw new SchemaError(`a field of ${name} is not an object`);
      const entry = field as JsonObject;
      const fieldName = text(entry.name, `a field of ${name}`);
      if (seen.has(fieldName)) throw new SchemaError(`${name} has two fields named "${fieldName}"`);
      seen.add(fieldName);
      fields.push({
        name: fieldName,
        aliases: texts(entry.aliases),
        schema: this.parse(required(entry, "type"), inner, depth + 1),
        default: entry.default,
      });
    }
    return record;
  }

  #enum(object: JsonObject, namespace: string): Schema {
    const { name, aliases } = names(object, namespace);
    const symbols = object.symbols;
    if (!Array.isArray(symbols) || !symbols.every((symbol) => typeof symbol === "string")) {
      throw new SchemaError(`the symbols of ${name} are not an array of strings`);
    }
    const fallback = typeof object.default === "string" ? object.default : null;
    return this.#define({ type: "enum", name, aliases, symbols, default: fallback });
  }

  #fixed(object: JsonObject, namespace: string): Schema {
    const { name, aliases } = names(object, namespace);
    const size = object.size;
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
      throw new SchemaError(`the size of ${name} is no whole number`);
    }
    return this.#define({ type: "fixed", name, aliases, size, logical: logicalOf(object, "fixed", size) });
  }

  #define<S extends NamedSchema>(schema: S): S {
    if (PRIMITIVES.has(schema.name)) {
      throw new SchemaError(`a type is named "${schema.name}", which is a type's own name`);
    }
    if (this.#named.has(schema.name)) throw new SchemaError(`the type "${schema.name}" is defined twice`);
    this.#named.set(schema.name, schema);
    return schema;
  }
}

/** Names with their namespace, and the one for what stands inside. */
function names(object: JsonObject, namespace: string): { name: string; aliases: string[]; inner: string } {
  const own = text(object.name, "a type");
  const given = typeof object.namespace === "string" ? object.namespace : namespace;
  const name = fullName(own, given);
  const inner = name.includes(".") ? name.slice(0, name.lastIndexOf(".")) : "";
  return { name, aliases: texts(object.aliases).map((alias) => fullName(alias, inner)), inner };
}

function fullName(name: string, namespace: string): string {
  return name.includes(".") || namespace === "" ? name : `${namespace}.${name}`;
}

/** The name without its namespace. */
export function shortName(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

function required(object: JsonObject, key: string): unknown {
  const value = object[key];
  if (value === undefined) throw new SchemaError(`${shown(object)} has no "${key}"`);
  return value;
}

function text(value: unknown, what: string): string {
  if (typeof value !== "string" || value === "") throw new SchemaError(`${what} has no name`);
  if (value.length > MAX_FIELD_NAME_LENGTH) {
    throw new SchemaError(`${what} has a name of more than ${MAX_FIELD_NAME_LENGTH} characters`);
  }
  if (!value.isWellFormed()) throw new SchemaError(`${what} has a name with half a surrogate pair`);
  return value;
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}

function logicalOf(object: JsonObject, base: string, size: number): Logical | null {
  const name = object.logicalType;
  if (name === "decimal") return decimalOf(object, base, size);
  if (typeof name !== "string" || !Object.hasOwn(LOGICAL_BASES, name)) return null;
  const plain = name as PlainLogicalName;
  if (!LOGICAL_BASES[plain].includes(base)) return null;
  if (base === "fixed" && size !== (plain === "uuid" ? 16 : 12)) return null;
  return { name: plain };
}

function decimalOf({ precision, scale = 0 }: JsonObject, base: string, size: number): Logical | null {
  if (base !== "bytes" && base !== "fixed") return null;
  if (!Number.isSafeInteger(precision) || !Number.isSafeInteger(scale)) return null;
  const digits = precision as number, decimals = scale as number;
  if (digits < 1 || digits > MAX_DECIMAL_PRECISION || decimals < 0 || decimals > digits) return null;
  if (base === "fixed" && digits > Math.floor(Math.log10(2) * (8 * size - 1))) return null;
  return { name: "decimal", precision: digits, scale: decimals };
}

function shown(json: unknown): string {
  const text = JSON.stringify(json, (_key, value) => typeof value === "bigint" ? String(value) : value) ?? "nothing";
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
