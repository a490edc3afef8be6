/**
 * Decoding: the bytes of records -> rows in the builders of columnar/. json/ and avro/ read the two formats; stream_buffer.ts
 * takes whole batches, adds metadata columns, and keeps what can't be read as dead letters.
 */
import type { TableBuilder } from "../columnar/table_builder.ts";
import type { SchemaUpdate } from "../avro/known_schema.ts";
import type { RecordBatch } from "../records/record_batch.ts";

/** Turns the bytes of records into rows: one a data format. */
export interface RecordDecoder {
  /** The table of the row that `decode` opened last, for whoever completes the row or rolls it back; null when it opened none. */
  readonly table: TableBuilder | null;
  /** The event time of the row that was decoded last, epoch ms; NaN when it has none. */
  readonly eventTime: number;
  /** Called once a batch, before its records. */
  begin(batch: RecordBatch): void;
  /**
   * Decodes the record [start, end) of the batch's bytes, its row `index`, into an open row of `table`. Returns false when a rule of the
   * config drops it (its collection isn't wanted); nothing was opened then.
   *
   * @throws Rejection when the record can't become a row. The caller rolls `table` back.
   */
  decode(start: number, end: number, index: number): boolean;
  /**
   * The records inside of a record that holds several, as batches one after the other, each to be used before the next
   * is asked for; then the caller goes on with `begin`. Null when the record is one itself.
   *
   * @throws Rejection, also while the batches are asked for, when what is left of the record can't be read.
   */
  unpack?(start: number, end: number, index: number): Iterable<RecordBatch> | null;
  /** Takes note of schemas that the records to come need. */
  update?(update: SchemaUpdate): void;
  /** The tables were reset: drop what is known of forgotten ones. */
  reset(): void;
}
