/**
 * Avro records -> rows. The decoder (here) finds out a record's schema and table; each class below it does one thing more with
 * bytes: AvroReader (avro/) reads them, AvroTextWriter writes values as text, AvroColumnWriter appends them to columns,
 * AvroFastWriter does so for what most fields are, AvroRowDecoder makes the row.
 */
import type { TableSet } from "../../columnar/table_set.ts";
import {
  CONFLUENT_HEADER_BYTE_LENGTH,
  type SchemaUpdate,
  SINGLE_OBJECT_HEADER_BYTE_LENGTH,
} from "../../avro/known_schema.ts";
import type { RecordBatch } from "../../records/record_batch.ts";
import type { DecodeConfig } from "../options.ts";
import type { RecordDecoder } from "../record_decoder.ts";
import { Rejection, type RejectionCode } from "../../records/rejection.ts";
import { MAX_EMPTY_ITEMS } from "../../avro/avro_reader.ts";
import { AvroRowDecoder } from "./avro_row_decoder.ts";
import { AvroTable } from "./avro_table.ts";
import { type AvroDestination, AvroTables, type FoundNames } from "./avro_tables.ts";
import {
  ContainerError,
  isContainer,
  readBlock,
  readBlockOrDamage,
  readHeader,
  SYNC_BYTE_LENGTH,
  unpackBlock,
} from "../../avro/container.ts";
import { type Contained, type InnerBatch, innerBatch } from "./contained.ts";
import { fileReference } from "../../records/bulk_parts.ts";
import * as ops from "../../avro/op.ts";
import type { Op } from "../../avro/op.ts";
import type { NameOrigin } from "./options.ts";
import { type WriterSchema, WriterSchemas } from "./writer_schemas.ts";

/** Type tags of the original: a datum follows; the collection and a datum; the key of a file in S3. */
const TAG_DATUM = 0, TAG_COLLECTION = 2, TAG_FILE = 3;

/** Bytes that the container blocks of one batch may unpack to: a few bytes can stand for millions. */
const MAX_UNPACKED_BYTE_LENGTH = 512 * 1024 * 1024;
/** Records of a block: rows are counted in 32 bits, and records may take no bytes. */
const MAX_BLOCK_RECORDS = 4_000_000;

interface Problem {
  readonly code: RejectionCode;
  readonly reason: string;
}

const utf8 = new TextDecoder();

/** Decodes Avro records of every framing. */
export class AvroDecoder extends AvroRowDecoder implements RecordDecoder {
  readonly #schemas = new WriterSchemas();
  readonly #destinations: AvroTables;
  #batch: RecordBatch | null = null;
  /** The table that all records of the batch go to. */
  #table: NonNullable<InnerBatch["table"]> | null = null;
  /** The batch as it came, and how many bytes its blocks unpacked to so far. */
  #outer: RecordBatch | null = null;
  #unpackedByteLength = 0;
  /** The collection that a tag named. */
  #tagCollection: string | null = null;
  /** The op of the record before and its table, when that doesn't depend on the record. */
  #lastOp: Op | null = null;
  #lastTable: AvroTable | null = null;

  constructor(config: DecodeConfig, tables: TableSet) {
    super(config);
    this.#destinations = new AvroTables(config, tables, (op) => this.rolesOf(op));
  }

  /** Takes note of schemas that the records to come need. */
  update(update: SchemaUpdate): void {
    this.#schemas.update(update);
  }

  begin(batch: InnerBatch): void {
    if (batch.writerSchema === undefined || batch.blockCodec !== undefined) this.#beginOuter(batch);
    this.#batch = batch;
    this.#table = batch.table ?? null;
    this.setBytes(batch.bytes);
    this.#destinations.begin(batch);
    this.#lastOp = null;
  }

  /** Called again after the records inside of one of its records. */
  #beginOuter(batch: RecordBatch): void {
    if (batch !== this.#outer) this.#unpackedByteLength = 0;
    this.#outer = batch;
  }

  reset(): void {
    this.#outer = null;
    this.table = null;
    this.#lastOp = null;
    this.#destinations.reset();
  }

  /** Whether a record can be none but Avro: a framing that begins like nothing else. */
  isFramed(start: number, end: number): boolean {
    const { bytes } = this;
    if (this.#batch!.writerSchema !== undefined) return true;
    if (bytes[start] === 0) return this.#schemas.hasRegistry && end - start >= CONFLUENT_HEADER_BYTE_LENGTH;
    return bytes[start] === 0xc3 && bytes[start + 1] === 0x01 && end - start >= SINGLE_OBJECT_HEADER_BYTE_LENGTH;
  }

  /** Whether the record is JSON behind the id of its schema. */
  isFramedJson(start: number, end: number): boolean {
    const { avroEncoding } = this.config;
    return this.bytes[start] === 0 && end - start >= CONFLUENT_HEADER_BYTE_LENGTH &&
      (avroEncoding === "AUTO" || avroEncoding === "CONFLUENT") && this.#batch!.writerSchema === undefined &&
      this.#schemas.isJson(this.view.getInt32(start + 1));
  }

  unpack(start: number, end: number, index: number): Iterable<RecordBatch> | null {
    const batch = this.#batch!;
    if (batch.blockCodec !== undefined) {
      const place = { index, before: 0, schema: batch.writerSchema!, codec: batch.blockCodec };
      return this.#unpackBlocks(batch, batch.bytes.subarray(start, end), place);
    }
    const { avroEncoding } = this.config;
    if (avroEncoding === "RAKAM" && batch.writerSchema === undefined && this.bytes[start] === TAG_FILE) {
      return this.#unpackFile(batch, index);
    }
    if (batch.writerSchema !== undefined || (avroEncoding !== "AUTO" && avroEncoding !== "CONTAINER")) return null;
    return isContainer(this.bytes, start, end) ? this.#unpackContainer(batch, index) : null;
  }

  decode(start: number, end: number, index: number): boolean {
    this.select(start, end);
    this.eventTime = NaN;
    this.table = null;
    this.#tagCollection = null;
    const writer = this.#writer();
    const op = writer === null ? this.#opOfTable(index) : this.#opOf(writer);
    const table = this.#tableOf(op, index);
    if (table === null) return false;
    this.decodeRow(table, this.config.avroEncoding === "RAKAM");
    if (this.at !== this.end) return this.fail("the end of the record");
    return true;
  }

  /** The records of a whole container file. */
  *#unpackContainer(batch: RecordBatch, index: number): Iterable<RecordBatch> {
    this.table = null;
    const bytes = batch.bytes.subarray(batch.offsets[index], batch.offsets[index + 1]);
    const header = this.#orReject(() => readHeader(bytes));
    if (header === null) return this.reject("malformed-avro", "the record ends in the header of a container file");
    const { sync, schema, codec } = header;
    let before = 0, problem: Problem | null = null;
    for (let at = header.byteLength; at < bytes.length;) {
      const block = this.#orReject(() => readBlockOrDamage(bytes, at, { sync, isFinal: true }));
      if (block === null) return this.reject("malformed-avro", "the record ends in a block of a container file");
      try {
        const packed = bytes.subarray(at, block.end);
        for (const datums of this.#unpackBlocks(batch, packed, { index, before, schema, codec })) {
          before += datums.rowCount;
          yield datums;
        }
      } catch (error) {
        if (!(error instanceof Rejection)) throw error;
        problem ??= { code: error.code, reason: error.reason };
      }
      at = block.next;
    }
    if (problem !== null) this.reject(problem.code, problem.reason);
  }

  /** The records of a block of a container file. Where the sync marker behind it is damaged, other blocks follow. */
  *#unpackBlocks(
    batch: RecordBatch,
    bytes: Uint8Array,
    { codec, ...place }: Pick<Contained, "index" | "before" | "schema"> & { readonly codec: string },
  ): Iterable<RecordBatch> {
    this.table = null;
    let { before } = place;
    for (let at = 0;;) {
      const block = this.#orReject(() => readBlock(bytes, at, null));
      if (block === null) return this.reject("malformed-avro", "it is no whole block: its count or size is damaged");
      const { count, start, end } = block;
      const contents = this.#unpack(bytes.subarray(start, end), codec);
      yield* this.#datums(batch, { ...place, before, contents, count });
      before += count;
      if (end === bytes.length && at === 0) return;
      if (end >= bytes.length - SYNC_BYTE_LENGTH) {
        return this.reject(
          "malformed-avro",
          `the sync marker before byte ${at} is damaged; the records around it are rows`,
        );
      }
      at = end + SYNC_BYTE_LENGTH;
    }
  }

  /** The records of the file that a record names: the project, then blocks of a table's rows. */
  *#unpackFile(batch: RecordBatch, index: number): Iterable<InnerBatch> {
    this.table = null;
    const bytes = this.#namedFile(batch, index);
    this.setBytes(bytes);
    this.select(0, bytes.length);
    const project = this.#readName();
    for (let before = 0; this.at < bytes.length;) {
      const collection = this.#readName(), columnCount = this.readInt(), count = this.readInt();
      const writer = this.#schemas.byTable(project.toLowerCase(), collection);
      const op = this.#rowOf(writer, columnCount);
      const start = this.at;
      const { ends, problem } = this.#findEndsFrom(op, count);
      const contents = bytes.subarray(start, this.at), at = this.at;
      const contained = { index, before, schema: writer!.json, contents, count };
      const wantsPositions = this.config.metadataColumns?.includes("position") ?? false;
      const inner = innerBatch(batch, contained, { ends: ends.map((end) => end - start), wantsPositions });
      yield { ...inner, table: { project, collection } };
      if (problem !== null) {
        this.reject(problem.code, `in its file, after ${ends.length} of ${count} rows: ${problem.reason}`);
      }
      before += count;
      this.setBytes(bytes);
      this.select(0, bytes.length);
      this.at = at;
    }
  }

  /** The bytes of the file that a record names. */
  #namedFile(batch: RecordBatch, index: number): Uint8Array {
    this.select(batch.offsets[index], batch.offsets[index + 1]);
    const reference = fileReference(this.bytes, batch.offsets[index], batch.offsets[index + 1]);
    if (reference === null) return this.fail("the size and the key of a bulk file", this.start);
    const file = batch.files?.find(({ key }) => key === reference.key);
    if (file === undefined) {
      return this.reject("malformed-avro", "it names a bulk file, which needs Kinesis and aws.s3-bulk-bucket");
    }
    if (file.bytes === null) {
      return this.reject("malformed-avro", "the bulk file that it names is not in the bucket, or too large");
    }
    if (BigInt(file.bytes.length) !== reference.byteLength) {
      return this.reject(
        "malformed-avro",
        `the bulk file that it names has ${file.bytes.length} bytes, not ${reference.byteLength}`,
      );
    }
    return file.bytes;
  }

  #readName(): string {
    const length = this.readLength("a name");
    const from = this.take(length, "a name");
    this.checkText(from, from + length);
    return utf8.decode(this.bytes.subarray(from, from + length));
  }

  /** What a row of the first columns of a table is. */
  #rowOf(writer: WriterSchema | undefined, columnCount: number): Op {
    const op = writer?.ownOp ?? null;
    if (op === null) return this.#opOf(writer);
    if (op.code !== ops.RECORD) return this.reject("bad-schema", "the table's schema is no record");
    if (columnCount < 0 || columnCount > op.steps.length) {
      return this.reject(
        "bad-schema",
        `a bulk file has ${columnCount} columns, and its table's schema ${op.steps.length}`,
      );
    }
    if (columnCount === op.steps.length) return op;
    const row = new ops.Op(ops.RECORD, op.kind);
    row.steps = op.steps.slice(0, columnCount);
    return row;
  }

  /** A block's contents, within what the blocks of a batch may have in all. */
  #unpack(packed: Uint8Array, codec: string): Uint8Array {
    const left = MAX_UNPACKED_BYTE_LENGTH - this.#unpackedByteLength;
    if (left <= 0) {
      this.reject("too-large", `blocks read at a time unpack to more than ${MAX_UNPACKED_BYTE_LENGTH} bytes`);
    }
    const contents = this.#orReject(() => unpackBlock(packed, codec, left));
    this.#unpackedByteLength += contents.length;
    return contents;
  }

  *#datums(batch: RecordBatch, contained: Contained): Iterable<RecordBatch> {
    const writer = this.#schemas.ofContainer(contained.schema);
    const op = writer.ownOp;
    if (op === null) return this.reject(writer.failure!.code, writer.failure!.reason);
    const { ends, problem } = this.#findEnds(op, contained);
    const wantsPositions = this.config.metadataColumns?.includes("position") ?? false;
    yield innerBatch(batch, contained, { ends, wantsPositions });
    if (problem !== null) {
      this.reject(problem.code, `after ${ends.length} of ${contained.count} records of a block: ${problem.reason}`);
    }
  }

  /** Where the datums end, as far as they can be read. */
  #findEnds(op: Op, { contents, count }: Contained): { ends: number[]; problem: Problem | null } {
    this.setBytes(contents);
    this.select(0, contents.length);
    const found = this.#findEndsFrom(op, count);
    if (found.problem !== null || this.at === this.end) return found;
    return {
      ends: found.ends,
      problem: { code: "malformed-avro", reason: `${this.end - this.at} bytes are left over` },
    };
  }

  /** The same from `at` on, where more may follow. */
  #findEndsFrom(op: Op, count: number): { ends: number[]; problem: Problem | null } {
    const ends: number[] = [];
    const { maxRecordByteLength } = this.config;
    const most = op.minByteLength > 0 ? MAX_BLOCK_RECORDS : MAX_EMPTY_ITEMS;
    try {
      for (let i = 0; i < count; i++) {
        if (this.at === this.end && op.minByteLength > 0) this.fail("a record");
        if (ends.length >= most) {
          this.reject("too-large", `a block has more than ${most} records`);
        }
        this.depth = this.emptyItems = 0;
        const start = this.at;
        this.skip(op);
        // The dead letter is the block as it was packed: a few bytes can stand for a record of any size.
        if (this.at - start > maxRecordByteLength) {
          this.reject("too-large", `the record after them has more than ${maxRecordByteLength} bytes`);
        }
        ends.push(this.at);
      }
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      return { ends, problem: { code: error.code, reason: error.reason } };
    }
    return { ends, problem: null };
  }

  #orReject<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ContainerError)) throw error;
      return this.reject("malformed-avro", error.message);
    }
  }

  /** The schema that the record names; null when it names none. Moves to the datum. */
  #writer(): WriterSchema | null {
    const given = this.#batch!.writerSchema;
    if (given !== undefined) return this.#schemas.ofContainer(given);
    const { bytes, start, end } = this;
    switch (this.config.avroEncoding) {
      case "BARE":
        return null;
      case "RAKAM":
        this.#readTag();
        return null;
      case "CONFLUENT":
        return this.#confluent();
      case "SINGLE_OBJECT":
        return this.#singleObject();
      case "CONTAINER":
        return this.fail("an object container file");
      case "AUTO":
        if (bytes[start] === 0xc3 && end - start >= SINGLE_OBJECT_HEADER_BYTE_LENGTH) return this.#singleObject();
        if (bytes[start] === 0 && this.#schemas.hasRegistry) return this.#confluent();
        return this.reject(
          "malformed-avro",
          "neither a registry's schema id (with a registry), a fingerprint nor a container file begins at byte 0; for " +
            "other framings set source.avro.encoding",
        );
    }
  }

  #confluent(): WriterSchema {
    const { start, end, view } = this;
    if (end - start < CONFLUENT_HEADER_BYTE_LENGTH || this.bytes[start] !== 0) {
      return this.fail("a zero byte and a schema id", start);
    }
    this.at = start + CONFLUENT_HEADER_BYTE_LENGTH;
    const id = view.getInt32(start + 1);
    return this.#schemas.byId(id) ?? this.reject("unknown-schema", `the schema id ${id} was not looked up`);
  }

  #singleObject(): WriterSchema {
    const { bytes, start, end, view } = this;
    if (end - start < SINGLE_OBJECT_HEADER_BYTE_LENGTH || bytes[start] !== 0xc3 || bytes[start + 1] !== 1) {
      return this.fail("C3 01 and a fingerprint", start);
    }
    this.at = start + SINGLE_OBJECT_HEADER_BYTE_LENGTH;
    const fingerprint = view.getBigUint64(start + 2, true);
    const text = fingerprint.toString(16).padStart(16, "0");
    return this.#schemas.byFingerprint(fingerprint) ??
      this.reject("unknown-schema", `no schema is known with the fingerprint ${text}`);
  }

  #readTag(): void {
    const tag = this.bytes[this.start];
    this.at = this.start + 1;
    if (tag === TAG_COLLECTION) {
      const length = this.readLength("a collection's name");
      const from = this.take(length, "a collection's name");
      this.checkText(from, from + length);
      this.#tagCollection = utf8.decode(this.bytes.subarray(from, from + length));
    } else if (tag === TAG_FILE) {
      this.fail("a bulk file's size and key", this.start);
    } else if (tag !== TAG_DATUM) {
      this.fail("a tag of 0, 2 or 3", this.start);
    }
  }

  /** The schema of a record that names none, by its table. */
  #opOfTable(index: number): Op {
    if (!this.#schemas.hasTables) return this.#opOf(this.#schemas.others);
    const { project, collection } = this.#names(null, index);
    if (project === null || collection === null) return this.#opOf(this.#schemas.others);
    return this.#opOf(this.#schemas.byTable(project.toLowerCase(), collection));
  }

  /** The record type that the datum is of. */
  #opOf(writer: WriterSchema | undefined): Op {
    if (writer === undefined) {
      return this.reject(
        "unknown-schema",
        "no schema is known for its table: see source.avro.schema and source.avro.schema-directory",
      );
    }
    let op = writer.op;
    if (op === null) {
      const { code, reason } = writer.failure!;
      return this.reject(code, reason);
    }
    if (op.code === ops.RECORD) return op;
    if (op.code === ops.UNION) op = this.readBranch(op);
    else if (op.code === ops.OPTIONAL && this.isPresent(op)) op = op.inner!;
    if (op.code === ops.INCOMPATIBLE) return this.reject("malformed-avro", op.name);
    return op.code === ops.RECORD
      ? op
      : this.reject("bad-schema", "the datum is no record, so it has no fields for columns");
  }

  #tableOf(op: Op, index: number): AvroTable | null {
    if (op === this.#lastOp) return this.#lastTable;
    const { isStatic } = this.#destinations;
    const destination: AvroDestination = isStatic
      ? this.#destinations.ofSchema(op)
      : this.#destinations.named(op, this.#names(op, index));
    if (destination !== null && !(destination instanceof AvroTable)) {
      return this.reject("bad-name", destination.problem);
    }
    if (isStatic) {
      this.#lastOp = op;
      this.#lastTable = destination;
    }
    return destination;
  }

  #names(op: Op | null, index: number): FoundNames {
    const { project, collection } = this.#destinations;
    return { project: this.#name(project, op, index, 0), collection: this.#name(collection, op, index, 1) };
  }

  #name(origin: NameOrigin, op: Op | null, index: number, part: 0 | 1): string | null {
    if (typeof origin !== "string") return op === null ? null : this.#nameInField(op, origin.path);
    if (origin === "KEY") return this.#destinations.fromKey(index, part);
    if (origin !== "AUTO") return this.#destinations.nameFrom(origin, op, part);
    if (this.#table !== null) return part === 0 ? this.#table.project : this.#table.collection;
    if (part === 1 && this.#tagCollection !== null) return this.#tagCollection;
    return this.#destinations.fromOriginal(index, part);
  }

  #nameInField(op: Op, path: readonly string[]): string | null {
    const start = this.at;
    const found = this.locate(op, path);
    let name: string | null = null;
    if (found?.code === ops.STRING) {
      const length = this.readLength("a name");
      const from = this.take(length, "a name");
      this.checkText(from, from + length);
      name = utf8.decode(this.bytes.subarray(from, from + length));
    } else if (found?.code === ops.ENUM) {
      name = utf8.decode(this.readSymbol(found));
    }
    this.at = start;
    return name;
  }
}
