import type { RecordBatch } from "../records/record_batch.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

/** The loop's end of the line to one pipeline worker. Messages arrive in order, once, or the worker is lost. */
export interface WorkerPort {
  /** Hands the message over. Buffers of a batch are the worker's from here on. */
  post(message: ToWorker): void;
  /** Set once, before the first post. */
  onMessage: (message: FromWorker) => void;
  /** The worker died or can't be reached: set once, before the first post. Nothing comes after it. */
  onLost: (error: Error) => void;
  /** Ends the worker at once, whatever it is doing. Twice is safe. */
  close(): void;
}

function batchArrays(batch: RecordBatch): ArrayBufferView[] {
  const arrays: ArrayBufferView[] = [batch.bytes, batch.offsets, batch.timestamps];
  for (const column of [batch.positions, batch.keys, batch.headers]) {
    if (column === null) continue;
    if (column instanceof BigInt64Array) arrays.push(column);
    else arrays.push(column.bytes, column.offsets, ...(column.nulls === null ? [] : [column.nulls]));
  }
  for (const { bytes } of batch.files ?? []) if (bytes !== null) arrays.push(bytes);
  return arrays;
}

/** Memory that a batch holds, bytes. */
export function batchByteLength(batch: RecordBatch): number {
  return batchArrays(batch).reduce((sum, array) => sum + array.buffer.byteLength, 0);
}

/** The buffers that are handed over with a batch. */
export function batchBuffers(batch: RecordBatch): ArrayBuffer[] {
  return [...new Set(batchArrays(batch).map((array) => array.buffer as ArrayBuffer))];
}
