/** Fingerprints of schemas (Avro 1.12, "Parsing Canonical Form for Schemas" and "Schema Fingerprints"). */
import type { Schema } from "./schema.ts";

const EMPTY = 0xc15d213aa4d7a795n;

const TABLE: BigUint64Array = BigUint64Array.from({ length: 256 }, (_, index) => {
  let value = BigInt(index);
  for (let bit = 0; bit < 8; bit++) value = (value & 1n) === 1n ? (value >> 1n) ^ EMPTY : value >> 1n;
  return value;
});

/** CRC-64-AVRO of the schema's canonical form, unsigned. */
export function fingerprintOf(schema: Schema): bigint {
  let value = EMPTY;
  for (const byte of new TextEncoder().encode(canonicalForm(schema))) {
    value = (value >> 8n) ^ TABLE[Number((value ^ BigInt(byte)) & 0xffn)];
  }
  return value;
}

/** The schema without anything that isn't needed to read data. */
export function canonicalForm(schema: Schema, seen: Set<Schema> = new Set()): string {
  switch (schema.type) {
    case "union":
      return `[${schema.branches.map((branch) => canonicalForm(branch, seen)).join(",")}]`;
    case "array":
      return `{"type":"array","items":${canonicalForm(schema.items, seen)}}`;
    case "map":
      return `{"type":"map","values":${canonicalForm(schema.values, seen)}}`;
    case "record":
    case "enum":
    case "fixed":
      break;
    default:
      return JSON.stringify(schema.type);
  }
  const name = JSON.stringify(schema.name);
  if (seen.has(schema)) return name;
  seen.add(schema);
  const head = `{"name":${name},"type":"${schema.type}"`;
  if (schema.type === "fixed") return `${head},"size":${schema.size}}`;
  if (schema.type === "enum") return `${head},"symbols":${JSON.stringify(schema.symbols)}}`;
  const fields = schema.fields.map((field) =>
    `{"name":${JSON.stringify(field.name)},"type":${canonicalForm(field.schema, seen)}}`
  );
  return `${head},"fields":[${fields.join(",")}]}`;
}
