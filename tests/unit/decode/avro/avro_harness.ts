import avro from "avsc";
import type { Page } from "../../../../src/columnar/page.ts";
import { Encoder } from "../../../../src/encode/encoder.ts";
import type { DecodeConfig } from "../../../../src/decode/options.ts";
import { StreamBuffer } from "../../../../src/decode/stream_buffer.ts";
import type { KnownSchema, SchemaUpdate } from "../../../../src/avro/known_schema.ts";
import type { RecordBatch } from "../../../../src/records/record_batch.ts";
import { batchOf, configOf, type Decoded, sealed } from "../harness.ts";

/** Avro's own encoder, of the reference implementation for JavaScript. */
export function avscType(schema: unknown): avro.Type {
  return avro.Type.forSchema(schema as avro.Schema, { wrapUnions: true });
}

export function encodeDatums(schema: unknown, values: readonly unknown[]): Uint8Array[] {
  const type = avscType(schema);
  return values.map((value) => new Uint8Array(type.toBuffer(value)));
}

export function schemaUpdate(schemas: readonly KnownSchema[], fields: Partial<SchemaUpdate> = {}): SchemaUpdate {
  return { forget: false, hasRegistry: true, reader: null, schemas, ...fields };
}

/** The schema for all records that name none. */
export function schemaForAll(schema: unknown): KnownSchema {
  const json = typeof schema === "string" ? schema : JSON.stringify(schema);
  return { key: { by: "table", project: null, collection: null }, schema: { json, references: [] } };
}

export interface AvroInput {
  readonly schema: unknown;
  readonly reader?: unknown;
  readonly batch?: Partial<RecordBatch>;
  readonly config?: Partial<DecodeConfig>;
}

/** Decodes bare datums of one schema. */
export function decodeBare(datums: readonly Uint8Array[], { schema, reader, batch, config }: AvroInput): Decoded {
  const buffer = new StreamBuffer(configOf({ dataFormat: "AVRO", avroEncoding: "BARE", ...config }));
  const readerText = reader === undefined ? null : { json: JSON.stringify(reader), references: [] };
  buffer.update(schemaUpdate([schemaForAll(schema)], { reader: readerText }));
  buffer.append(batchOf(datums, batch));
  return sealed(buffer);
}

/** The page's rows as the collector prints them, without decoding them again: one JSON text a row. */
export function linesOf(pages: readonly Page[]): string[] {
  const encoder = new Encoder({
    rowFormat: "flat",
    compression: "none",
    level: 0,
    grouping: { needsProject: true, needsTable: true, timeUnit: null },
    clock: { monotonicMs: () => 0 },
  });
  return encoder.encodePages(pages).flatMap(({ bytes }) => new TextDecoder().decode(bytes).trimEnd().split("\n"));
}

/** Encodes values with avsc, decodes them, and gives the printed rows. */
export function roundTrip(schema: unknown, values: readonly unknown[], input: Partial<AvroInput> = {}): string[] {
  const { pages, deadLetters } = decodeBare(encodeDatums(schema, values), { schema, ...input });
  if (deadLetters.length > 0) throw new Error(`dead letter: ${deadLetters[0].code}: ${deadLetters[0].message}`);
  return linesOf(pages);
}
