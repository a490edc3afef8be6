import { ByteWriter } from "../columnar/byte_writer.ts";
import { DAY_MS, MAX_DAY, MIN_DAY, writeIsoTimestamp } from "../columnar/calendar.ts";
import type { ColumnBuilder, ColumnSettings } from "../columnar/column_builder.ts";
import type { TimestampValues } from "../columnar/fixed_values.ts";
import { BIGINT, TIMESTAMP, UNTYPED } from "../columnar/kinds.ts";
import type { TableBuilder } from "../columnar/table_builder.ts";
import { type BytesColumn, type RecordBatch, splitParent, splitPart } from "../source/source.ts";
import { JsonColumnWriter } from "./json_column_writer.ts";
import type { DecodeConfig, MetadataColumn } from "./options.ts";

const SETTINGS: Readonly<Record<MetadataColumn, ColumnSettings>> = {
  topic: { detectTimes: false },
  stream: { detectTimes: false },
  partition: { detectTimes: false },
  shard: { detectTimes: false },
  position: { detectTimes: false, numberKind: BIGINT },
  timestamp: {},
  key: { detectTimes: false },
  headers: { isJson: true },
};

/** The column that a kind of metadata is kept in. */
export function metadataColumnName(column: MetadataColumn): string {
  return `_${column}`;
}

/** How the metadata columns that the config asks for behave, by name. */
export function metadataSettings(config: DecodeConfig): ReadonlyMap<string, ColumnSettings> {
  return new Map((config.metadataColumns ?? []).map((column) => [metadataColumnName(column), SETTINGS[column]]));
}

/** Whether rows get the arrival time: `database.checkpoint-field` isn't "none". */
export function hasArrivalColumn({ arrivalField }: DecodeConfig): boolean {
  return arrivalField.toLowerCase() !== "none";
}

/** The columns that every table gets, in the order in which MetadataWriter fills them. */
export function ownColumnNames(config: DecodeConfig): string[] {
  const names = (config.metadataColumns ?? []).map(metadataColumnName);
  return hasArrivalColumn(config) ? [config.arrivalField, ...names] : names;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Adds what isn't in the records to open rows: the arrival time and the metadata that the config asks for. Values go
 * through JSON text like a record's own, so a column that also holds the records' own values stays exact. A field that
 * the record has itself is left alone.
 */
export class MetadataWriter extends JsonColumnWriter {
  readonly #hasArrival: boolean;
  readonly #metadata: readonly MetadataColumn[];
  readonly #text = new ByteWriter();
  #batch: RecordBatch | null = null;
  /** The parts of the split's name as JSON. */
  #parent = "";
  #part = "";

  constructor(config: DecodeConfig) {
    super();
    this.#hasArrival = hasArrivalColumn(config);
    this.#metadata = config.metadataColumns ?? [];
  }

  /** Called once a batch, before its rows. */
  begin(batch: RecordBatch): void {
    this.#batch = batch;
    const part = splitPart(batch.split);
    this.#parent = JSON.stringify(splitParent(batch.split));
    this.#part = /^(?:0|[1-9]\d{0,8})$/.test(part) ? part : JSON.stringify(part);
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
      if (column.rowCount > row) continue;
      if (metadata === "timestamp") {
        this.#writeTime(column, row, index);
        continue;
      }
      this.#text.length = 0;
      this.#render(metadata, index);
      if (this.#text.length === 0) continue;
      if (column.ordinal < 0) table.activate(column);
      this.appendToken(column, row, this.#text.bytes.subarray(0, this.#text.length));
    }
  }

  #writeTime(column: ColumnBuilder, row: number, index: number): void {
    const time = Math.floor(this.#batch!.timestamps[index]);
    if (column.rowCount > row || !(time >= MIN_DAY * DAY_MS && time < (MAX_DAY + 1) * DAY_MS)) return;
    if (column.ordinal < 0) this.table!.activate(column);
    column.pad(row);
    if (column.kind === UNTYPED) column.become(TIMESTAMP, "ISO_MS");
    if (column.kind === TIMESTAMP) {
      const values = column.values as TimestampValues;
      if (values.form === "ISO_MS") {
        if (row >= values.capacity) values.reserve(row + 1);
        values.values[row] = time;
        column.rowCount = row + 1;
        return;
      }
    }
    this.#text.length = 0;
    this.#text.reserve(32);
    const end = writeIsoTimestamp(this.#text.bytes, 1, time, "ISO_MS");
    this.#text.bytes[0] = this.#text.bytes[end] = 0x22;
    this.appendToken(column, row, this.#text.bytes.subarray(0, end + 1));
  }

  /** The value's JSON text; nothing when the record has none. */
  #render(metadata: MetadataColumn, index: number): void {
    const batch = this.#batch!, text = this.#text;
    switch (metadata) {
      case "topic":
      case "stream":
        return text.text(this.#parent);
      case "partition":
      case "shard":
        return text.text(this.#part);
      case "position":
        if (batch.positions instanceof BigInt64Array) return text.text(String(batch.positions[index]));
        return withBytes(batch.positions, index, (bytes, start, end) => text.jsonString(bytes, start, end));
      case "key":
        return withBytes(batch.keys, index, (bytes, start, end) => this.#renderKey(bytes, start, end));
      case "headers":
        return withBytes(batch.headers, index, (bytes, start, end) => text.copy(bytes, start, end));
    }
  }

  #renderKey(bytes: Uint8Array, start: number, end: number): void {
    if (isUtf8(bytes.subarray(start, end))) return this.#text.jsonString(bytes, start, end);
    this.#text.byte(0x22);
    this.#text.base64(bytes, start, end);
    this.#text.byte(0x22);
  }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    utf8.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Calls `use` with the bytes of a row, unless it has none. */
function withBytes(
  column: BytesColumn | null,
  row: number,
  use: (bytes: Uint8Array, start: number, end: number) => void,
): void {
  if (column === null) return;
  if (column.nulls !== null && (column.nulls[row >> 3] & (1 << (row & 7))) !== 0) return;
  use(column.bytes, column.offsets[row], column.offsets[row + 1]);
}
