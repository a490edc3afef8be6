import { JSON_SCHEMA, type SchemaFailure, type SchemaText, type SchemaUpdate } from "../../avro/known_schema.ts";
import { compileSchema } from "../../avro/compile.ts";
import type { Op } from "../../avro/op.ts";
import { parseSchema, type Schema, SchemaError } from "../../avro/schema.ts";

/** Schemas of container files that are kept compiled; with more, keeping starts again. */
const MAX_CONTAINER_SCHEMAS = 64;

/** A schema that records were written with, compiled when the first one comes. */
export class WriterSchema {
  readonly #source: SchemaText | SchemaFailure;
  readonly #reader: Schema | null;
  #op: Op | null = null;
  #ownOp: Op | null = null;
  #failure: SchemaFailure | null;

  constructor(source: SchemaText | SchemaFailure, reader: Schema | null) {
    this.#source = source;
    this.#reader = reader;
    this.#failure = "code" in source ? source : null;
  }

  /** Null when it can't be used; `failure` says why. */
  get op(): Op | null {
    if (this.#op === null && this.#failure === null) this.#compile(this.#source as SchemaText);
    return this.#op;
  }

  /** The schema's text; empty when there is none. */
  get json(): string {
    return "json" in this.#source ? this.#source.json : "";
  }

  /** Without the reader's schema, to find where datums end. Null when it can't be used. */
  get ownOp(): Op | null {
    if (this.#ownOp === null && this.op !== null) {
      const { json, references } = this.#source as SchemaText;
      this.#ownOp = this.#reader === null ? this.#op : compileSchema(parseSchema(json, references), null);
    }
    return this.#ownOp;
  }

  get failure(): SchemaFailure | null {
    return this.#failure;
  }

  #compile({ json, references }: SchemaText): void {
    try {
      this.#op = compileSchema(parseSchema(json, references), this.#reader);
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error;
      this.#failure = { code: "bad-schema", reason: error.message };
    }
  }
}

/** The schemas that a worker was told about. */
export class WriterSchemas {
  hasRegistry = false;
  /** Whether there are schemas for tables by name. */
  hasTables = false;
  readonly #byId = new Map<number, WriterSchema>();
  /** Ids of schemas that say how JSON looks. */
  readonly #jsonIds = new Set<number>();
  readonly #byFingerprint = new Map<bigint, WriterSchema>();
  readonly #byTable = new Map<string, WriterSchema>();
  readonly #containers = new Map<string, WriterSchema>();
  /** For records that name no schema, of tables that have none of their own. */
  others: WriterSchema | undefined;
  #readerText = "";
  #reader: Schema | null = null;
  #lastId = -1;
  #last: WriterSchema | undefined;

  /** @throws SchemaError when the reader's schema is wrong; it was checked when it was read. */
  update({ forget, hasRegistry, reader, schemas }: SchemaUpdate): void {
    if (forget) {
      this.#byId.clear();
      this.#jsonIds.clear();
    }
    this.hasRegistry = hasRegistry;
    if (reader !== null && reader.json !== this.#readerText) {
      this.#readerText = reader.json;
      this.#reader = parseSchema(reader.json, reader.references);
    }
    for (const { key, schema } of schemas) {
      if (schema === JSON_SCHEMA) {
        if (key.by === "id") this.#jsonIds.add(key.id);
        continue;
      }
      const writer = new WriterSchema(schema, this.#reader);
      if (key.by === "id") this.#byId.set(key.id, writer);
      else if (key.by === "fingerprint") this.#byFingerprint.set(key.fingerprint, writer);
      else if (key.project === null || key.collection === null) this.others = writer;
      else {
        this.#byTable.set(`${key.project}\n${key.collection}`, writer);
        this.hasTables = true;
      }
    }
    this.#lastId = -1;
  }

  isJson(id: number): boolean {
    return this.#jsonIds.has(id);
  }

  byId(id: number): WriterSchema | undefined {
    if (id === this.#lastId) return this.#last;
    this.#last = this.#byId.get(id);
    this.#lastId = id;
    return this.#last;
  }

  byFingerprint(fingerprint: bigint): WriterSchema | undefined {
    return this.#byFingerprint.get(fingerprint);
  }

  /** For records that name no schema. */
  byTable(project: string, collection: string): WriterSchema | undefined {
    return this.#byTable.get(`${project}\n${collection}`) ?? this.others;
  }

  /** For the contents of a container file. */
  ofContainer(json: string): WriterSchema {
    let writer = this.#containers.get(json);
    if (writer === undefined) {
      if (this.#containers.size >= MAX_CONTAINER_SCHEMAS) this.#containers.clear();
      writer = new WriterSchema({ json, references: [] }, this.#reader);
      this.#containers.set(json, writer);
    }
    return writer;
  }
}
