/**
 * Schemas: where those that records need come from, files or a registry. The main isolate looks them up here before a batch goes
 * to a worker, which does no I/O.
 */
import { parseSchema } from "../avro/schema.ts";
import type { DecodeConfig } from "../decode/options.ts";
import { FatalError } from "../runtime/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { RecordBatch } from "../records/record_batch.ts";
import { bulkParts, type FileStore, namesFiles } from "../records/bulk_parts.ts";
import { fingerprintOf } from "../avro/fingerprint.ts";
import {
  CONFLUENT_HEADER_BYTE_LENGTH,
  type KnownSchema,
  type RegisteredSchema,
  type SchemaFailure,
  type SchemaText,
  type SchemaUpdate,
  SINGLE_OBJECT_HEADER_BYTE_LENGTH,
} from "../avro/known_schema.ts";
import type { SchemaConfig } from "./options.ts";
import { RegistryClient } from "./registry_client.ts";
import { readReaderSchema, readSchemaDirectory, readSchemaFile } from "./schema_files.ts";
import type { SchemaFeed } from "./schema_feed.ts";

/** Ids that are remembered; with more, remembering starts again, here and in the workers. */
const MAX_KNOWN_IDS = 10_000;
/** Ids looked up for one batch; records with more unknown ones become dead letters. */
const MAX_NEW_IDS = 1000;
/** Lookups under way at a time. */
const LOOKUPS_AT_A_TIME = 8;
/** An id that the registry doesn't know is asked for again after this time. */
const MISSING_MS = 60_000;
/** A registry that has just been written to may be late: what it doesn't know is asked for twice. */
const SECOND_LOOK_MS = 250;

/** Schemas from files and a registry. */
export class SchemaStore implements SchemaFeed {
  readonly #config: SchemaConfig;
  readonly #decode: DecodeConfig;
  readonly #runtime: Runtime;
  readonly #files: FileStore | null;
  #registry: RegistryClient | null = null;
  #reader: SchemaText | null = null;
  /** Until when (monotonic ms) what workers know of an id holds. */
  readonly #ids = new Map<number, number>();
  readonly #fingerprints = new Set<bigint>();
  #listedAtMs = -Infinity;

  /** `files`: where the files are that records name; none are read without it. */
  constructor(
    config: SchemaConfig,
    { decode, runtime, files = null }: { decode: DecodeConfig; runtime: Runtime; files?: FileStore | null },
  ) {
    this.#files = files;
    this.#config = config;
    this.#decode = decode;
    this.#runtime = runtime;
  }

  async open(): Promise<SchemaUpdate> {
    this.#mustHaveSchemas();
    const { schemaFile, schemaDirectory, readerSchemaFile, registryUrls } = this.#config;
    if (readerSchemaFile !== undefined) {
      this.#reader = await readReaderSchema("source.avro.reader-schema", readerSchemaFile);
    }
    const reader = this.#reader === null ? null : parseSchema(this.#reader.json);
    const schemas: KnownSchema[] = [];
    if (schemaDirectory !== undefined) {
      schemas.push(...await readSchemaDirectory("source.avro.schema-directory", schemaDirectory, reader));
    }
    if (schemaFile !== undefined) {
      const schema = await readSchemaFile("source.avro.schema", schemaFile, reader);
      schemas.push({ key: { by: "table", project: null, collection: null }, schema });
      schemas.push({ key: { by: "fingerprint", fingerprint: fingerprintOf(parseSchema(schema.json)) }, schema });
    }
    for (const { key } of schemas) if (key.by === "fingerprint") this.#fingerprints.add(key.fingerprint);
    if (registryUrls !== undefined) this.#registry = await openRegistry(this.#config, this.#runtime);
    return this.#update(schemas, false);
  }

  async prepare(batch: RecordBatch, signal: AbortSignal): Promise<SchemaUpdate | null> {
    if (this.#registry === null || batch.writerSchema !== undefined) return null;
    const { avroEncoding } = this.#decode;
    const schemas: KnownSchema[] = [];
    let forget = false;
    if (avroEncoding === "AUTO" || avroEncoding === "CONFLUENT") {
      let ids = this.#newIds(batch);
      if (ids.length > 0 && this.#ids.size + ids.length > MAX_KNOWN_IDS) {
        forget = true;
        this.#ids.clear();
        ids = this.#newIds(batch);
      }
      if (ids.length > 0) schemas.push(...await this.#lookUp(this.#registry, ids, signal));
    }
    if ((avroEncoding === "AUTO" || avroEncoding === "SINGLE_OBJECT") && this.#hasNewFingerprint(batch)) {
      schemas.push(...await this.#list(this.#registry, signal));
    }
    return schemas.length === 0 && !forget ? null : this.#update(schemas, forget);
  }

  parts(batch: RecordBatch, signal: AbortSignal): AsyncIterable<RecordBatch> | null {
    if (this.#files === null || !namesFiles(batch)) return null;
    return bulkParts(batch, this.#files, signal);
  }

  close(): void {
    this.#files?.close();
    this.#registry?.close();
    this.#registry = null;
  }

  /** Without any, every record would become a dead letter. */
  #mustHaveSchemas(): void {
    const { schemaFile, schemaDirectory, registryUrls } = this.#config;
    const { dataFormat, avroEncoding } = this.#decode;
    const hasFiles = (schemaFile ?? schemaDirectory) !== undefined;
    const hasRegistry = registryUrls !== undefined;
    if (dataFormat !== "AVRO") return;
    const needs = `source.avro.encoding=${avroEncoding} needs`;
    if ((avroEncoding === "BARE" || avroEncoding === "RAKAM") && !hasFiles) {
      throw new FatalError(`${needs} source.avro.schema or source.avro.schema-directory`);
    }
    if (avroEncoding === "CONFLUENT" && !hasRegistry) throw new FatalError(`${needs} schema.registry.url`);
    if (avroEncoding === "SINGLE_OBJECT" && !hasFiles && !hasRegistry) {
      throw new FatalError(`${needs} source.avro.schema-directory or schema.registry.url`);
    }
  }

  #update(schemas: readonly KnownSchema[], forget: boolean): SchemaUpdate {
    return { forget, hasRegistry: this.#registry !== null, reader: this.#reader, schemas };
  }

  /** The registry's ids in a batch that workers don't know; MAX_NEW_IDS at the most. */
  #newIds({ bytes, offsets, rowCount }: RecordBatch): number[] {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const nowMs = this.#runtime.clock.monotonicMs();
    const found = new Set<number>();
    let last = -1;
    for (let row = 0; row < rowCount && found.size < MAX_NEW_IDS; row++) {
      const start = offsets[row];
      if (bytes[start] !== 0 || offsets[row + 1] - start < CONFLUENT_HEADER_BYTE_LENGTH) continue;
      const id = view.getInt32(start + 1);
      if (id === last) continue;
      last = id;
      if (!((this.#ids.get(id) ?? -Infinity) > nowMs)) found.add(id);
    }
    return [...found];
  }

  async #lookUp(registry: RegistryClient, ids: readonly number[], signal: AbortSignal): Promise<KnownSchema[]> {
    const found = await this.#ask(registry, ids, signal);
    const missing = ids.filter((id) => isFailure(found.get(id)!));
    if (missing.length > 0) {
      await this.#runtime.clock.sleep(SECOND_LOOK_MS, signal);
      for (const [id, schema] of await this.#ask(registry, missing, signal)) found.set(id, schema);
    }
    const untilMs = this.#runtime.clock.monotonicMs() + MISSING_MS;
    return [...found].map(([id, schema]) => {
      this.#ids.set(id, isFailure(schema) ? untilMs : Infinity);
      if (isFailure(schema)) {
        this.#runtime.log.warn("a schema can't be used: its records become dead letters", {
          id,
          reason: schema.reason,
        });
      }
      return { key: { by: "id", id }, schema };
    });
  }

  async #ask(
    registry: RegistryClient,
    ids: readonly number[],
    signal: AbortSignal,
  ): Promise<Map<number, RegisteredSchema>> {
    const found = new Map<number, RegisteredSchema>();
    for (let first = 0; first < ids.length; first += LOOKUPS_AT_A_TIME) {
      await Promise.all(
        ids.slice(first, first + LOOKUPS_AT_A_TIME).map(async (id) => {
          found.set(id, await registry.byId(id, signal));
        }),
      );
    }
    return found;
  }

  #hasNewFingerprint({ bytes, offsets, rowCount }: RecordBatch): boolean {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#runtime.clock.monotonicMs() - this.#listedAtMs < MISSING_MS) return false;
    for (let row = 0; row < rowCount; row++) {
      const start = offsets[row];
      if (bytes[start] !== 0xc3 || bytes[start + 1] !== 1) continue;
      if (offsets[row + 1] - start < SINGLE_OBJECT_HEADER_BYTE_LENGTH) continue;
      if (!this.#fingerprints.has(view.getBigUint64(start + 2, true))) return true;
    }
    return false;
  }

  /** The registry finds nothing by fingerprints, so all its schemas are fetched, at most every MISSING_MS. */
  async #list(registry: RegistryClient, signal: AbortSignal): Promise<KnownSchema[]> {
    const schemas: KnownSchema[] = [];
    for (const schema of await registry.all(signal)) {
      const fingerprint = fingerprintOf(parseSchema(schema.json, schema.references));
      if (this.#fingerprints.has(fingerprint)) continue;
      this.#fingerprints.add(fingerprint);
      schemas.push({ key: { by: "fingerprint", fingerprint }, schema });
    }
    this.#listedAtMs = this.#runtime.clock.monotonicMs();
    return schemas;
  }
}

function isFailure(schema: RegisteredSchema): schema is SchemaFailure {
  return typeof schema === "object" && "code" in schema;
}

/**
 * The registry of the config, which names one.
 *
 * @throws FatalError when the file with its authorities can't be read.
 */
export async function openRegistry(config: SchemaConfig, runtime: Runtime): Promise<RegistryClient> {
  const caCertificates: string[] = [];
  if (config.registryCaFile !== undefined) {
    try {
      caCertificates.push(await Deno.readTextFile(config.registryCaFile));
    } catch (error) {
      throw new FatalError(`schema.registry.ca-file: ${config.registryCaFile} can't be read`, { cause: error });
    }
  }
  return new RegistryClient({
    urls: config.registryUrls ?? [],
    user: config.registryUser,
    password: config.registryPassword,
    token: config.registryToken,
    caCertificates,
    timeoutMs: config.registryTimeoutMs,
    runtime,
  });
}
