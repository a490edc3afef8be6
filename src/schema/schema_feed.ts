import type { RecordBatch } from "../records/record_batch.ts";
import type { SchemaUpdate } from "../avro/known_schema.ts";

/** Finds the schemas that records need, before they are handed to pipeline workers, which do no I/O. */
export interface SchemaFeed {
  /**
   * Called once, before the first batch. What all workers must know from the start.
   *
   * @throws FatalError when a schema file can't be used.
   */
  open(signal: AbortSignal): Promise<SchemaUpdate>;
  /**
   * Called before each batch. What all workers must know before the batch; null when they know it. Waits while the
   * registry can't be reached: the batch isn't lost, and nothing is polled meanwhile.
   *
   * @throws FatalError when the registry refuses to answer; the signal's reason.
   */
  prepare(batch: RecordBatch, signal: AbortSignal): Promise<SchemaUpdate | null>;
  /**
   * Called before `prepare`. The batch in parts, with the files that its records name; null when they name none. Each
   * part is used before the next is asked for. Waits and throws as `prepare` does.
   */
  parts(batch: RecordBatch, signal: AbortSignal): AsyncIterable<RecordBatch> | null;
  close(): void;
}
