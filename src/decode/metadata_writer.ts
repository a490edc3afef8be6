import { ByteWriter } from "../columnar/byte_writer.ts";
import { DAY_MS, MAX_DAY, MIN_DAY, writeIsoTimestamp } from "../columnar/calendar.ts";
import type { ColumnBuilder } from "../columnar/column_builder.ts";
import type { BigintValues, IntegerValues, TimestampValues } from "../columnar/fixed_values.ts";
import { BIGINT, INTEGER, TIMESTAMP, UNTYPED, VARCHAR } from "../columnar/kinds.ts";
import type { TableBuilder } from "../columnar/table_builder.ts";
import type { VarcharValues } from "../columnar/varchar_values.ts";
import { type BytesColumn, originOf, type RecordBatch } from "../records/record_batch.ts";
import { splitParent, splitPart } from "../records/position.ts";
import { InvariantError } from "../runtime/errors.ts";
import { BACKSLASH, QUOTE, SPACE } from "./bytes.ts";
import { JsonColumnWriter } from "./json/column_writer.ts";
import { hasArrivalColumn } from "./metadata_columns.ts";
import type { DecodeConfig, MetadataColumn } from "./options.ts";
import { Rejection } from "../records/rejection.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();
const LONGEST_TIME = 27;

/** A text that is the same for all records of a split. */
interface SplitText {
  readonly bytes: Uint8Array;
  /** As VARCHAR blocks have it. */
  readonly isPlain: boolean;
}

// deno-lint-ignore no-control-regex -- control characters are what it looks for
const NOT_PLAIN = /["\\\u0000-\u001f]/;

function splitText(text: string): SplitText {
  const bytes = encoder.encode(text);
  return { bytes, isPlain: !NOT_PLAIN.test(text) };
}

/**
 * Adds what isn't in the records to open rows: the arrival time and the metadata that the config asks for. A field that
 * the record has itself is left alone. Values go straight into columns of their own kind; a column that also holds records'
 * own values of another kind gets them as JSON text, by the same rules as a record's, so it stays exact.
 */
export class MetadataWriter extends JsonColumnWriter {
  readonly #hasArrival: boolean;
  readonly #metadata: readonly MetadataColumn[];
  readonly #text = new ByteWriter();
  #batch: RecordBatch | null = null;
  /** The halves of the batch's positions when they are numbers. */
  #positionWords: Int32Array | null = null;
  #origin = "";
  #parent: SplitText = splitText("");
  #part: SplitText = splitText("");
  /** The part as a number, when it is one; -1 otherwise. */
  #partNumber = -1;

  constructor(config: DecodeConfig) {
    super();
    this.#hasArrival = hasArrivalColumn(config);
    this.#metadata = config.metadataColumns ?? [];
  }

  /** Called once a batch, before its rows. */
  begin(batch: RecordBatch): void {
    this.#batch = batch;
    const { positions } = batch;
    this.#positionWords = positions instanceof BigInt64Array
      ? new Int32Array(positions.buffer, positions.byteOffset, 2 * positions.length)
      : null;
    const origin = originOf(batch);
    if (origin === this.#origin) return;
    this.#origin = origin;
    const part = splitPart(origin);
    this.#parent = splitText(splitParent(origin));
    this.#part = splitText(part);
    this.#partNumber = /^(?:0|[1-9]\d{0,8})$/.test(part) ? Number(part) : -1;
  }

  /** Adds to the open row of `table` what is known of record `index` of the batch. */
  write(table: TableBuilder, index: number): void {
    const columns = table.ownColumns;
    const row = table.rowCount;
    this.table = table;
    let next = 0;
    if (this.#hasArrival) this.#writeTime(columns[next++], row, index);
    for (const metadata of this.#metadata) {
      const column = columns[next++];
      if (column.rowCount <= row) this.#writeColumn(column, row, { metadata, index });
    }
  }

  #writeColumn(column: ColumnBuilder, row: number, { metadata, index }: { metadata: MetadataColumn; index: number }) {
    const batch = this.#batch!;
    switch (metadata) {
      case "topic":
      case "stream":
        return this.#writeSplitText(column, row, this.#parent);
      case "partition":
      case "shard":
        if (this.#partNumber < 0) return this.#writeSplitText(column, row, this.#part);
        return this.#writePartition(column, row);
      case "position":
        if (batch.positions instanceof BigInt64Array) return this.#writePosition(column, row, index);
        return this.#writeBytes(column, row, spanOf(batch.positions, index));
      case "timestamp":
        return this.#writeTime(column, row, index);
      case "key":
        return this.#writeBytes(column, row, spanOf(batch.keys, index));
      case "headers":
        return this.#writeHeaders(column, row, spanOf(batch.headers, index));
    }
  }

  /**
   * Makes the column part of the page, and of the kind if it has none. Returns where the row's value goes, for which there
   * is room then; -1 when the column is of another kind.
   */
  #prepare(column: ColumnBuilder, row: number, kind: typeof INTEGER | typeof BIGINT | typeof VARCHAR): number {
    if (column.ordinal < 0) this.table!.activate(column);
    if (column.kind === UNTYPED) column.become(kind);
    if (column.kind !== kind) return -1;
    const index = column.place(row);
    column.values!.reserve(index + 1);
    return index;
  }

  #writeSplitText(column: ColumnBuilder, row: number, { bytes, isPlain }: SplitText): void {
    const at = this.#prepare(column, row, VARCHAR);
    if (at < 0) {
      this.#text.jsonString(bytes, 0, bytes.length);
      return this.#writeToken(column, row);
    }
    const values = column.values as VarcharValues;
    values.set(at, bytes, 0, bytes.length);
    if (!isPlain) values.plain = false;
    column.rowCount = row + 1;
  }

  #writePartition(column: ColumnBuilder, row: number): void {
    const at = this.#prepare(column, row, INTEGER);
    if (at < 0) {
      this.#text.text(String(this.#partNumber));
      return this.#writeToken(column, row);
    }
    (column.values as IntegerValues).values[at] = this.#partNumber;
    column.rowCount = row + 1;
  }

  #writePosition(column: ColumnBuilder, row: number, index: number): void {
    const source = this.#positionWords!;
    const at = this.#prepare(column, row, BIGINT);
    if (at < 0) {
      this.#text.text(String((this.#batch!.positions as BigInt64Array)[index]));
      return this.#writeToken(column, row);
    }
    const { words } = column.values as BigintValues;
    words[2 * at] = source[2 * index];
    words[2 * at + 1] = source[2 * index + 1];
    column.rowCount = row + 1;
  }

  /** Text if it is UTF-8, else base64. */
  #writeBytes(column: ColumnBuilder, row: number, span: Span | null): void {
    if (span === null) return;
    const { bytes, start, end } = span;
    const at = isPlain(bytes, start, end) ? this.#prepare(column, row, VARCHAR) : -1;
    if (at >= 0) {
      (column.values as VarcharValues).set(at, bytes, start, end);
      column.rowCount = row + 1;
      return;
    }
    if (column.ordinal < 0) this.table!.activate(column);
    const text = this.#text;
    if (isUtf8(bytes.subarray(start, end))) {
      text.jsonString(bytes, start, end);
    } else {
      text.byte(QUOTE);
      text.base64(bytes, start, end);
      text.byte(QUOTE);
    }
    this.#writeToken(column, row);
  }

  #writeHeaders(column: ColumnBuilder, row: number, span: Span | null): void {
    if (span === null) return;
    if (column.ordinal < 0) this.table!.activate(column);
    this.#text.copy(span.bytes, span.start, span.end);
    try {
      this.#writeToken(column, row);
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      throw new InvariantError(`the source gave headers of ${this.#origin} that are not JSON: ${error.reason}`);
    }
  }

  #writeTime(column: ColumnBuilder, row: number, index: number): void {
    const time = Math.floor(this.#batch!.timestamps[index]);
    if (column.rowCount > row || !(time >= MIN_DAY * DAY_MS && time < (MAX_DAY + 1) * DAY_MS)) return;
    if (column.ordinal < 0) this.table!.activate(column);
    if (column.kind === UNTYPED) column.become(TIMESTAMP, "ISO_MS");
    if (column.kind === TIMESTAMP) {
      const values = column.values as TimestampValues;
      if (values.form === "ISO_MS") {
        const at = column.place(row);
        if (at >= values.capacity) values.reserve(at + 1);
        values.values[at] = time;
        column.rowCount = row + 1;
        return;
      }
    }
    const text = this.#text;
    text.byte(QUOTE);
    text.reserve(LONGEST_TIME);
    text.length = writeIsoTimestamp(text.bytes, text.length, time, "ISO_MS");
    text.byte(QUOTE);
    this.#writeToken(column, row);
  }

  /** Appends what `#text` holds, as JSON, and clears it. */
  #writeToken(column: ColumnBuilder, row: number): void {
    const text = this.#text;
    this.end = text.length;
    // One byte more, since scanning looks at what follows a number.
    text.byte(0);
    text.length = 0;
    if (this.bytes !== text.bytes) this.setBytes(text.bytes);
    this.appendValue(column, row, 0);
  }
}

interface Span {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** The bytes of a row; null when it has none. */
function spanOf(column: BytesColumn | null, row: number): Span | null {
  if (column === null) return null;
  if (column.nulls !== null && (column.nulls[row >> 3] & (1 << (row & 7))) !== 0) return null;
  return { bytes: column.bytes, start: column.offsets[row], end: column.offsets[row + 1] };
}

/** Whether bytes are ASCII without quotes, backslashes and control characters. */
function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const c = bytes[i];
    if (c < SPACE || c >= 0x80 || c === QUOTE || c === BACKSLASH) return false;
  }
  return true;
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    utf8.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
