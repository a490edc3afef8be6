import type { Page } from "../columnar/page.ts";
import type { ColumnSettings } from "../columnar/column_builder.ts";
import { COLUMN_OVERHEAD_BYTES, TABLE_OVERHEAD_BYTES } from "../columnar/byte_account.ts";
import type { TableBuilder } from "../columnar/table_builder.ts";
import { BIGINT, DOUBLE } from "../columnar/kinds.ts";
import { TableSet } from "../columnar/table_set.ts";
import { newCounts, type RunningCounts, type SplitCounts } from "../records/split_counts.ts";
import type { SchemaUpdate } from "../avro/known_schema.ts";
import { FatalError, InvariantError } from "../runtime/errors.ts";
import type { DivertedRecords } from "../records/diversion.ts";
import { originOf, positionText, type RecordBatch } from "../records/record_batch.ts";
import type { SplitId } from "../records/position.ts";
import type { Diverter } from "./diverter.ts";
import { type DeadLetters, DeadLetterWriter } from "./dead_letters.ts";
import { metadataSettings, ownColumnNames } from "./metadata_columns.ts";
import { MetadataWriter } from "./metadata_writer.ts";
import type { DecodeConfig } from "./options.ts";
import { addOddTimes, type OddTimes, oddTimesOf } from "./event_times.ts";
import { createDecoder } from "./create_decoder.ts";
import type { RecordDecoder } from "./record_decoder.ts";
import type { InnerBatch } from "./avro/contained.ts";
import { printable, type RejectedSample } from "../records/rejected_sample.ts";
import { Rejection, type RejectionCode } from "../records/rejection.ts";

export { detachPages } from "../columnar/detach.ts";

/** Rows with which a buffer is full: blocks count rows and elements in 32 bits. */
const MAX_BUFFERED_ROWS = 2 ** 22;
/** Bytes with which it is full: offsets into a text column have 32 bits. */
const MAX_BUFFERED_BYTES = 2 ** 30;
/** The share of these bytes that builders may keep for the next rows. */
const KEPT_RATIO = 0.5;
/** Bytes of records, unpacked, with which it is full where the same records must give the same pages. */
const MAX_CONTENT_BYTES = 2 ** 27;

/** When a buffer is full. */
export interface BufferLimits {
  /** Bytes that it may hold. Default 1 GB. */
  readonly maxByteLength?: number;
  /** Whether it is full at places that the records since the last reset decide and nothing else. Default false. */
  readonly inBlocks?: boolean;
}
/** Rejected records that are shown, in the life of a buffer. */
const MAX_SAMPLES = 100;

/** What a buffer held, when it was sealed. */
export interface SealedBuffer {
  /** One a table, over the buffer's own arrays: valid until `reset`. Sorted by table. */
  readonly pages: Page[];
  /** Null when there are none. Valid until `reset`. */
  readonly deadLetters: DeadLetters | null;
  /** The first rejected records of each code and split that this buffer ever saw; mostly empty. */
  readonly rejected: readonly RejectedSample[];
  /** Tables with rows whose event time is missing or odd, the first ones; mostly empty. */
  readonly oddTimes: readonly OddTimes[];
  /** Null when there are none. Its arrays are its own. */
  readonly diverted: DivertedRecords | null;
  /** One a split that records came from. */
  readonly counts: SplitCounts[];
}

/** How the columns of a name behave, from the config. */
function settingsByName(config: DecodeConfig): (name: string) => ColumnSettings {
  const settings = new Map<string, ColumnSettings>(metadataSettings(config));
  const user: Readonly<Record<DecodeConfig["userType"], ColumnSettings>> = {
    STRING: { detectTimes: false },
    LONG: { numberKind: BIGINT },
    INTEGER: {},
    DOUBLE: { numberKind: DOUBLE },
  };
  for (const name of [config.userField, config.userField.toLowerCase()]) settings.set(name, user[config.userType]);
  for (const name of [config.timeField, config.timeField.toLowerCase()]) {
    settings.set(name, { numbersAreTimes: config.timeUnit === "ms" });
  }
  const plain: ColumnSettings = {};
  return (name) => settings.get(name) ?? plain;
}

/**
 * Holds records as columns until they are sealed: append batches, seal, use the pages, reset, and so on. Which rows,
 * types and column orders a page has follows from the records since the last reset alone.
 */
export class StreamBuffer {
  readonly #config: DecodeConfig;
  readonly #tables: TableSet;
  readonly #decoder: RecordDecoder;
  readonly #metadata: MetadataWriter;
  readonly #deadLetters: DeadLetterWriter;
  readonly #diverter: Diverter | null;
  readonly #maxByteLength: number;
  readonly #inBlocks: boolean;
  #rejected: RejectedSample[] = [];
  /** Codes and splits of which there was one. */
  readonly #sampled = new Set<string>();
  readonly #counts = new Map<SplitId, RunningCounts>();
  #whenFull: (() => void) | null = null;
  #rowCount = 0;
  #tableCount = 0;
  /** Of the records since the last reset, unpacked, and of the tables and columns that they have. */
  #contentByteLength = 0;
  #isSealed = false;

  /** @throws ConfigError when the config asks for a format that can't be read. */
  constructor(config: DecodeConfig, diverter: Diverter | null = null, limits: BufferLimits = {}) {
    this.#config = config;
    this.#diverter = diverter;
    this.#maxByteLength = Math.min(limits.maxByteLength ?? MAX_BUFFERED_BYTES, MAX_BUFFERED_BYTES);
    this.#inBlocks = limits.inBlocks ?? false;
    this.#tables = new TableSet({
      maxColumns: config.maxColumns,
      ownColumns: ownColumnNames(config),
      columnSettings: settingsByName(config),
    });
    this.#decoder = createDecoder(config, this.#tables);
    this.#metadata = new MetadataWriter(config);
    this.#deadLetters = new DeadLetterWriter(this.#tables.account);
  }

  /** Bytes that the builders and dead letters hold now, by the capacity of their arrays. */
  get byteLength(): number {
    return this.#tables.account.byteLength + (this.#diverter?.byteLength ?? 0);
  }

  /** Rows since the last reset. */
  get rowCount(): number {
    return this.#rowCount;
  }

  /**
   * Decodes a batch's records. The batch's arrays are not kept.
   *
   * @param whenFull seals and resets the buffer; called between two records whenever it is full, or a page of it has as many
   * columns as it may and the next record names others. Without it nothing is ever full, and such a record is a dead letter.
   * @throws FatalError for a record that can't become a row, when dead-letter.policy is "fail". Nothing of the batch may be
   * committed then.
   */
  append(batch: RecordBatch, whenFull: (() => void) | null = null): void {
    if (this.#isSealed) throw new InvariantError("a sealed buffer was appended to before its reset");
    this.#whenFull = whenFull;
    for (let start = 0;;) {
      const end = this.#appendRecords(batch, batch.split, { start, untilFull: whenFull !== null });
      const counts = this.#countsOf(batch.split);
      counts.recordBytes += batch.offsets[end] - batch.offsets[start];
      countTimestamps(batch, counts, { start, end });
      if (end === batch.rowCount) return;
      whenFull!();
      start = end;
    }
  }

  get #isFull(): boolean {
    if (this.#tableCount >= this.#config.maxTables || this.#rowCount >= MAX_BUFFERED_ROWS) return true;
    if (this.#inBlocks) return this.#contentByteLength >= MAX_CONTENT_BYTES;
    return this.byteLength >= this.#maxByteLength && this.#counts.size > 0;
  }

  /** Takes note of schemas that the batches to come need. */
  update(update: SchemaUpdate): void {
    this.#decoder.update?.(update);
  }

  /** Everything since the last reset. Nothing can be appended until `reset`. */
  seal(): SealedBuffer {
    this.#isSealed = true;
    const pages = this.#tables.pages();
    return {
      pages,
      oddTimes: this.#oddTimesOf(pages),
      deadLetters: this.#deadLetters.collected(),
      rejected: this.#rejected,
      diverted: this.#diverter?.collected() ?? null,
      counts: [...this.#counts].map(([split, counts]) => ({ split, ...counts })),
    };
  }

  /** Forgets everything, and keeps the memory that the next records will probably need. */
  reset(): void {
    this.#tables.reset(KEPT_RATIO * this.#maxByteLength);
    this.#decoder.reset();
    this.#deadLetters.reset();
    this.#rejected = [];
    this.#diverter?.reset();
    this.#counts.clear();
    this.#rowCount = 0;
    this.#tableCount = 0;
    this.#contentByteLength = 0;
    this.#isSealed = false;
  }

  #begin(batch: RecordBatch): void {
    this.#decoder.begin(batch);
    this.#metadata.begin(batch);
    this.#diverter?.begin(batch);
  }

  /** The row before which it stopped; rowCount when all are appended. */
  #appendRecords(
    batch: RecordBatch,
    split: SplitId,
    { start: first, untilFull }: { readonly start: number; readonly untilFull: boolean },
  ): number {
    this.#begin(batch);
    const { offsets, rowCount } = batch;
    let index = first;
    for (; index < rowCount; index++) {
      if (untilFull && this.#isFull) break;
      const start = offsets[index], end = offsets[index + 1];
      if (start === end && batch.writerSchema === undefined) { // a container's record may take no bytes
        drop(this.#countsOf(split), "empty");
      } else if (end - start > this.#config.maxRecordByteLength && batch.blockCodec === undefined) {
        this.#reject(batch, index, { code: "too-large", reason: this.#tooLargeReason(batch, index) });
      } else {
        const inner = this.#decoder.unpack?.(start, end, index) ?? null;
        if (inner !== null) this.#appendInner(batch, index, inner);
        else if (!this.#appendRecord(batch, index, split)) break;
      }
    }
    this.#countsOf(split).records += index - first;
    return index;
  }

  /** The records inside of a record count in its place; what can't be read of it is a record too. */
  #appendInner(batch: RecordBatch, index: number, inner: Iterable<RecordBatch>): void {
    this.#countsOf(batch.split).records--;
    let rowCount = 0;
    try {
      for (const records of inner) {
        rowCount += records.rowCount;
        for (let start = 0; start < records.rowCount;) {
          start = this.#appendRecords(records, batch.split, { start, untilFull: false });
          if (start < records.rowCount) this.#whenFull!();
        }
      }
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      const { code, reason } = error;
      this.#countsOf(batch.split).records++;
      this.#begin(batch);
      return this.#reject(batch, index, { code, reason, redrivable: rowCount === 0 });
    }
    this.#begin(batch);
  }

  /** False, with nothing appended, when the record names other columns than the page has room for. */
  #appendRecord(batch: RecordBatch, index: number, split: SplitId): boolean {
    const decoder = this.#decoder;
    this.#contentByteLength += batch.offsets[index + 1] - batch.offsets[index];
    try {
      if (!decoder.decode(batch.offsets[index], batch.offsets[index + 1], index)) {
        drop(this.#countsOf(split), "collection");
        return true;
      }
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      decoder.table?.rollback();
      this.#reject(batch, index, error);
      return true;
    }
    const table = decoder.table!;
    if (this.#diverter?.isOutdated(decoder.eventTime)) {
      table.rollback();
      this.#diverter.add(batch, index);
      drop(this.#countsOf(split), "historical");
      return true;
    }
    if (table.isOverfull) return this.#appendOverfull(table, batch, index);
    this.#metadata.write(table, index);
    this.#contentByteLength += COLUMN_OVERHEAD_BYTES * table.newColumnCount;
    table.finishRow(decoder.eventTime, batch.timestamps[index]);
    if (table.rowCount === 1) {
      this.#tableCount++;
      this.#contentByteLength += TABLE_OVERHEAD_BYTES;
    }
    this.#rowCount++;
    this.#countsOf(split).rows++;
    return true;
  }

  /** The record waits for the next page if it fits one. */
  #appendOverfull(table: TableBuilder, batch: RecordBatch, index: number): boolean {
    const mayWait = this.#whenFull !== null && table.fitsAlone;
    table.rollback();
    if (mayWait) return false;
    const reason = `the table would have more columns than columns.max-count=${table.maxColumns} allows`;
    this.#reject(batch, index, { code: "too-many-columns", reason });
    return true;
  }

  #tooLargeReason({ offsets, cutRows }: RecordBatch, index: number): string {
    const reason = `the record has more than ${this.#config.maxRecordByteLength} bytes`;
    const byteLength = cutRows?.get(index);
    if (byteLength === undefined || this.#config.deadLetterPolicy !== "store") return reason;
    const kept = offsets[index + 1] - offsets[index];
    return `${reason}; only ${kept} of its ${byteLength} bytes are kept (dead-letter.max-record-size)`;
  }

  #oddTimesOf(pages: readonly Page[]): OddTimes[] {
    const odd: OddTimes[] = [];
    for (const page of pages) {
      const times = oddTimesOf(page, this.#config);
      if (times !== null) addOddTimes(odd, times);
    }
    return odd;
  }

  #sample(batch: RecordBatch, index: number, { code, reason }: Pick<RejectedSample, "code" | "reason">): void {
    const split = originOf(batch), key = `${code} ${split}`;
    if (this.#sampled.size === MAX_SAMPLES || this.#sampled.has(key)) return;
    this.#sampled.add(key);
    const beginning = printable(batch.bytes, batch.offsets[index], batch.offsets[index + 1]);
    this.#rejected.push({ split, position: positionText(batch, index), code, reason, beginning });
  }

  #reject(
    batch: InnerBatch,
    index: number,
    { code, reason, redrivable = true }: { code: RejectionCode; reason: string; redrivable?: boolean },
  ): void {
    const counts = this.#countsOf(batch.split);
    const policy = this.#config.deadLetterPolicy;
    if (policy !== "fail") this.#sample(batch, index, { code, reason });
    if (policy === "drop") return drop(counts, "dead-letter");
    if (policy === "fail") {
      throw new FatalError(
        `cannot decode the record at position ${positionText(batch, index)} of ${batch.split}: ${code}: ${reason}. ` +
          "Nothing from it on is committed. Set dead-letter.policy to store or drop to go on without it",
      );
    }
    const table = code === "too-large" ? null : this.#decoder.table?.name ?? null;
    // A row of a bulk file doesn't say which table it is of.
    const alone = batch.table === undefined;
    this.#deadLetters.add({ batch, index, code, message: reason, table, redrivable: redrivable && alone });
    counts.deadLetters++;
  }

  #countsOf(split: SplitId): RunningCounts {
    let counts = this.#counts.get(split);
    if (counts === undefined) {
      counts = newCounts();
      this.#counts.set(split, counts);
    }
    return counts;
  }
}

function drop(counts: RunningCounts, reason: "empty" | "collection" | "dead-letter" | "historical"): void {
  counts.dropped[reason] = (counts.dropped[reason] ?? 0) + 1;
}

function countTimestamps(
  { timestamps }: RecordBatch,
  counts: RunningCounts,
  { start, end }: { readonly start: number; readonly end: number },
): void {
  let least = counts.minTimestamp, greatest = counts.maxTimestamp;
  for (let index = start; index < end; index++) {
    const timestamp = timestamps[index];
    if (timestamp < least || least !== least) least = timestamp;
    if (timestamp > greatest || greatest !== greatest) greatest = timestamp;
  }
  counts.minTimestamp = least;
  counts.maxTimestamp = greatest;
}
