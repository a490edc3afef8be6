import type { PollLimit } from "../../records/record_batch.ts";
import type { Lines } from "./lines.ts";

/** Bytes come in as they were read, records go out as batches. */
export interface RecordBuffer {
  /** Stream offset up to which records were taken. */
  readonly delivered: number;
  /** Avro: the schema of all records, and how their blocks are packed; see RecordBatch. */
  readonly writerSchema?: string;
  readonly blockCodec?: string;
  /** Room for `byteLength` more bytes: fill its start, then tell `appended` how many came. */
  reserve(byteLength: number): Uint8Array<ArrayBuffer>;
  /** `byteLength` bytes were written to the start of what `reserve` returned. */
  appended(byteLength: number): void;
  /** Gives back the memory of the free part. */
  shrink(): void;
  /** The next whole records: at least one, more only within `limit`; null when there are none. */
  take(limit: PollLimit, isFinal: boolean): Lines | null;
  /**
   * Whether whole records are waiting to be taken; called after each read.
   *
   * @throws Error when none are, and what is there instead can't be read or, at the final end, isn't whole.
   */
  check?(isFinal: boolean): boolean;
}
