import type { TableBuilder } from "../columnar/table_builder.ts";
import type { TableSet } from "../columnar/table_set.ts";
import { ConfigError } from "../runtime/errors.ts";
import type { RecordBatch } from "../source/source.ts";
import { JsonDecoder } from "./json_decoder.ts";
import type { DecodeConfig } from "./options.ts";

/** Turns the bytes of records into rows: one a data format. */
export interface RecordDecoder {
  /** The table of the row that `decode` opened last, for whoever completes the row or rolls it back; null when it opened none. */
  readonly table: TableBuilder | null;
  /** The event time of the row that was decoded last, epoch ms; NaN when it has none. */
  readonly eventTime: number;
  /** Called once a batch, before its records. */
  begin(batch: RecordBatch): void;
  /**
   * Decodes the record [start, end) of the batch's bytes into an open row of `table`. Returns false when a rule of the
   * config drops it (its collection isn't wanted); nothing was opened then.
   *
   * @throws Rejection when the record can't become a row. The caller rolls `table` back.
   */
  decode(start: number, end: number): boolean;
  /** The tables were reset: drop what is known of forgotten ones. */
  reset(): void;
}

/**
 * The decoder for `source.data-format`.
 *
 * @throws ConfigError for a format that this build can't read.
 */
export function createDecoder(config: DecodeConfig, tables: TableSet): RecordDecoder {
  if (config.dataFormat === "AVRO") {
    const message = "this build does not read Avro: use JSON or AUTO";
    throw new ConfigError([{ key: "source.data-format", message }]);
  }
  return new JsonDecoder(config, tables);
}
