import { type BytesColumn, positionText, type RecordBatch } from "../../records/record_batch.ts";

/** Datums that stand in a record. */
export interface Contained {
  /** The record's row in its batch. */
  readonly index: number;
  /** Datums of the record in the blocks before this one. */
  readonly before: number;
  /** The schema that they were written with, JSON text. */
  readonly schema: string;
  readonly contents: Uint8Array;
  /** How many there should be. */
  readonly count: number;
}

/** Datums as a batch, and the table that they go to where what they stand in says so. */
export interface InnerBatch extends RecordBatch {
  readonly table?: { readonly project: string; readonly collection: string };
}

/**
 * The datums as records of their own, with the metadata of the record that they stand in. Their positions are its own
 * and their number in it, "42:7", when `wantsPositions`, else just its own.
 */
export function innerBatch(
  batch: RecordBatch,
  contained: Contained,
  { ends, wantsPositions }: { ends: readonly number[]; wantsPositions: boolean },
): RecordBatch {
  const { index } = contained;
  const rowCount = ends.length;
  const offsets = new Uint32Array(rowCount + 1);
  offsets.set(ends, 1);
  return {
    split: batch.split,
    ...(batch.origin === undefined ? {} : { origin: batch.origin }),
    epoch: batch.epoch,
    start: batch.start,
    next: batch.next,
    rowCount,
    bytes: contained.contents,
    offsets,
    timestamps: new Float64Array(rowCount).fill(batch.timestamps[index]),
    positions: positionsOf(batch, contained, { rowCount, wantsPositions }),
    keys: repeat(batch.keys, index, rowCount),
    headers: repeat(batch.headers, index, rowCount),
    writerSchema: contained.schema,
  };
}

function positionsOf(
  batch: RecordBatch,
  { index, before }: Contained,
  { rowCount, wantsPositions }: { rowCount: number; wantsPositions: boolean },
): BigInt64Array | BytesColumn {
  const { positions } = batch;
  if (!wantsPositions && positions instanceof BigInt64Array) return new BigInt64Array(rowCount).fill(positions[index]);
  const outer = positionText(batch, index);
  const offsets = new Uint32Array(rowCount + 1);
  const parts: string[] = [];
  for (let row = 0; row < rowCount; row++) {
    parts.push(`${outer}:${before + row}`);
    offsets[row + 1] = offsets[row] + parts[row].length;
  }
  return { bytes: new TextEncoder().encode(parts.join("")), offsets, nulls: null };
}

/** One row of a column, in as many rows. */
function repeat(column: BytesColumn | null, index: number, rowCount: number): BytesColumn | null {
  if (column === null || (column.nulls !== null && (column.nulls[index >> 3] & (1 << (index & 7))) !== 0)) return null;
  const value = column.bytes.subarray(column.offsets[index], column.offsets[index + 1]);
  const bytes = new Uint8Array(rowCount * value.length);
  for (let row = 0; row < rowCount; row++) bytes.set(value, row * value.length);
  return { bytes, offsets: Uint32Array.from({ length: rowCount + 1 }, (_, row) => row * value.length), nulls: null };
}
